"""A contract, and the search for a counterexample: CrossHair in a process of its own, and how its report is read.

The idea: CONFIRMED is said only where CrossHair reports, of each condition, that it has been down all paths. A search
that ran out of time is UNDECIDED, and one that does not stop by itself is stopped. A precondition that no value meets
is a failure, for a contract that says nothing would hold of anything.

What a confirmation does not cover, each of them seen: two arguments that are one object; a result that depends on a
global variable; a value of a subclass (a bool for an int, an overridden method); and a second thread, for which
CrossHair knows no schedule. So all arguments in the contracts are numbers and truth values, all objects are made
inside, and threads are a matter of the explorer and of the proofs of whole systems.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from mapproof.proofs.table.findings import Finding
from mapproof.spec.evidence import Verdict


@dataclass(frozen=True, slots=True)
class Contract:
    """A function with conditions, by its dotted path, and for how much a confirmation would hold."""

    name: str
    words: str
    target: str
    conditions: int
    scope: str


def contract(name: str, function: Callable[..., object], sizes: str) -> Contract:
    """The contract in the docstring of a function: its first lines are the words, `post:` begins each condition."""
    said = function.__doc__ or ""
    words = " ".join(said.partition("\n\n")[0].split())
    target = f"{function.__module__}.{function.__qualname__}"
    scope = f"all paths of the function, one thread, exact types, no aliases; {sizes}"
    return Contract(name, words, target, said.count("post: "), scope)


CONFIRMED = "Confirmed over all paths."
VACUOUS = "Unable to meet precondition."
STARTING = 10.0
"""Seconds that a process may take beyond its search, to start and to stop."""

_PROGRAM = "exec({before!r}); from crosshair.main import main; main()"


def confirm(contract: Contract, *, timeout: float, before: str = "") -> Finding:
    """Search for a counterexample, `timeout` seconds for each condition.

    CONFIRMED, REFUTED with the counterexample, FAILED for a vacuous contract, or UNDECIDED; the text is one line.
    `before` is Python that runs first: to break a routine, and see that its contract notices.
    """
    command = [sys.executable, "-c", _PROGRAM.format(before=before)]
    command += ["check", "--report_all", "--analysis_kind=PEP316"]
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
        return Finding(Verdict.UNDECIDED, contract.scope, "CrossHair did not stop in time")
    return read_report(contract, ran.returncode, ran.stdout, ran.stderr, timeout)


def read_report(contract: Contract, code: int, output: str, errors: str, timeout: float) -> Finding:
    """The finding in what `crosshair check --report_all` printed: `file:line: level: message` a condition."""
    verdict, text = _read(contract, code, output, errors, timeout)
    return Finding(verdict, contract.scope, text)


def _read(contract: Contract, code: int, output: str, errors: str, timeout: float) -> tuple[Verdict, str]:
    lines = [line.split(": ", 2) for line in output.splitlines() if line.count(": ") >= 2]
    messages = [(level, message) for _, level, message in lines]
    for level, message in messages:
        if VACUOUS in message:
            return Verdict.FAILED, "no value meets the precondition: the contract says nothing"
        if level == "error":
            return Verdict.REFUTED, message
    if code not in (0, 1):
        last = (errors or output).strip().splitlines() or ["no output"]
        return Verdict.UNDECIDED, f"CrossHair stopped with code {code}: {last[-1]}"
    confirmed = [message for _, message in messages if message == CONFIRMED]
    if contract.conditions and len(confirmed) == len(messages) == contract.conditions:
        plural = "" if contract.conditions == 1 else "s"
        return Verdict.CONFIRMED, f"{contract.conditions} condition{plural}, all paths"
    return Verdict.UNDECIDED, f"not refuted in {timeout:g} s"
