"""Contracts of the pure routines of promotion and of rehash, for CrossHair to confirm on the code itself.

The idea: the functions that the maps call are called here, under conditions in CrossHair's own notation
(`pre:` and `post:` in the docstring). CrossHair runs them on symbolic integers; only where it reports that
it has been down all paths is the verdict CONFIRMED. It is a search, not a proof: one thread, values of
exactly the annotated types, sizes as the conditions bound them.

Each function is checked in a process of its own with an end to its time: a search that does not stop by
itself is stopped, and is UNDECIDED.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from mapproof.impl.hashing import shard_of, split_target, split_targets  # noqa: F401  (named in a condition)
from mapproof.impl.sync_map import should_promote
from mapproof.spec.evidence import Verdict


def promotion(misses: int, dirty_len: int) -> bool:
    """After a miss, misses counted, the map promotes, or misses stays below len(dirty).

    The first condition is what the invariant of sync.Map says there: misses was at most len(dirty).

    pre: 1 <= misses <= dirty_len + 1
    post: __return__ or misses < dirty_len
    post: not __return__ or misses >= dirty_len
    """
    return should_promote(misses, dirty_len)


def rehash(hash_value: int, bits: int) -> int:
    """The split of a shard among 2^bits sends a key where the doubled map looks for it: s or s + n.

    pre: 0 <= hash_value < 2**64
    pre: 0 <= bits <= 6
    post: __return__ == shard_of(hash_value, 2 << bits)
    post: __return__ in split_targets(shard_of(hash_value, 1 << bits), 1 << bits)
    """
    shards = 1 << bits
    return split_target(hash_value, shard_of(hash_value, shards), shards)


@dataclass(frozen=True, slots=True)
class Contract:
    """A function with contracts, by its dotted path, and for how much a confirmation would hold."""

    name: str
    words: str
    target: str
    conditions: int
    scope: str


_SCOPE = "all paths of the pure function, one thread, exact ints"

CONTRACTS = (
    Contract(
        "promotion: should_promote keeps misses below len(dirty)",
        "After a miss, misses counted, the map promotes, or misses stays below len(dirty).",
        f"{__name__}.promotion",
        2,
        f"{_SCOPE}, any size",
    ),
    Contract(
        "rehash: split_target agrees with shard_of",
        "The split of a shard sends a key to s or s + n, where the doubled map looks for it.",
        f"{__name__}.rehash",
        2,
        f"{_SCOPE}, 64-bit hashes, n <= 64",
    ),
)

CONFIRMED = "Confirmed over all paths."
VACUOUS = "Unable to meet precondition."
STARTING = 10.0
"""Seconds that a process may take beyond its search, to start and to stop."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What CrossHair said of a contract: CONFIRMED, REFUTED, FAILED for a vacuous one, or UNDECIDED.

    `detail` is its counterexample or the reason, one line.
    """

    verdict: Verdict
    detail: str


def confirm(contract: Contract, *, timeout: float) -> Finding:
    """Search for a counterexample, `timeout` seconds for each condition."""
    command = [sys.executable, "-m", "crosshair", "check", "--report_all", "--analysis_kind=PEP316"]
    command += [f"--per_condition_timeout={timeout}", contract.target]
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=contract.conditions * timeout + STARTING,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
    except subprocess.TimeoutExpired:
        return Finding(Verdict.UNDECIDED, "CrossHair did not stop in time")
    return read_report(contract, ran.returncode, ran.stdout, ran.stderr, timeout)


def read_report(contract: Contract, code: int, output: str, errors: str, timeout: float) -> Finding:
    """The finding in what `crosshair check --report_all` printed: `file:line: level: message` a condition."""
    lines = [line.split(": ", 2) for line in output.splitlines() if line.count(": ") >= 2]
    messages = [(level, message) for _, level, message in lines]
    for level, message in messages:
        if VACUOUS in message:
            return Finding(Verdict.FAILED, "no value meets the precondition: the contract says nothing")
        if level == "error":
            return Finding(Verdict.REFUTED, message)
    if code not in (0, 1):
        last = (errors or output).strip().splitlines() or ["no output"]
        return Finding(Verdict.UNDECIDED, f"CrossHair stopped with code {code}: {last[-1]}")
    confirmed = [message for _, message in messages if message == CONFIRMED]
    if contract.conditions and len(confirmed) == len(messages) == contract.conditions:
        return Finding(Verdict.CONFIRMED, f"{contract.conditions} conditions, all paths")
    return Finding(Verdict.UNDECIDED, f"not refuted in {timeout:g} s")
