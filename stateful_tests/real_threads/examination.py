"""Is this map right under real threads? The campaign as a caller sees it: a child process, contained, and its findings.

The idea: what the child says of itself is believed only if it lived to say it. Otherwise the fault is what was noticed
from outside, and the history is what the journal has: completed operations, and those that were running as pending.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mapproof.spec.claims import Contract
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.history import History
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.real_threads import accounts
from mapproof.stateful_tests.real_threads.containment import Limits, Noticed, contain
from mapproof.stateful_tests.real_threads.journal import Journal, Phase
from mapproof.stateful_tests.real_threads.messages import (
    HISTORY,
    JOURNAL,
    OUTPUT,
    STACKS,
    Answer,
    Description,
    Failed,
    Fault,
    Request,
    read_answer,
    read_description,
    write_request,
)
from mapproof.stateful_tests.real_threads.probing import keys_of
from mapproof.stateful_tests.real_threads.processes import resident_megabytes
from mapproof.stateful_tests.real_threads.rounds import settled
from mapproof.stateful_tests.real_threads.source import Source

CLIENTS: Final = 4
OPERATIONS: Final = 100

_MOST_BYTES: Final = 200_000

_FOREVER: Final = 1e9

_LEAST_TO_JUDGE, _MOST_TO_JUDGE = 5.0, 60.0
"""Seconds for one history, of which most take a hundredth."""

_SHORTEST_SILENCE, _LONGEST_SILENCE = 2.0, 10.0


class KitFailed(RuntimeError):
    """The child failed where nothing of the map runs: an error of ours, with its traceback."""


@dataclass(slots=True)
class Tally:
    """What has been run so far."""

    rounds: int = 0
    operations: int = 0
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class RoundFailed:
    """What went wrong; `account` tells it to people, `history` is the file of the round, if anything was called."""

    fault: Fault
    summary: str
    account: str
    history: Path | None


@dataclass(frozen=True, slots=True)
class ThreadFindings:
    """What a campaign of real threads answers. `trouble` says in one line why it could not look, if so."""

    name: str
    clients: int
    yielding_keys: bool
    tally: Tally
    seconds: float
    description: Description | None = None
    counterexample: RoundFailed | None = None
    trouble: str | None = None

    @property
    def verdict(self) -> Verdict:
        if self.counterexample is not None:
            return Verdict.FAILED
        could_not_look = self.trouble is not None or self.tally.undecided or self.tally.rounds == 0
        return Verdict.INCONCLUSIVE if could_not_look else Verdict.SAMPLED

    @property
    def scope(self) -> str:
        """What was run, on which Python, and what the map was held to."""
        parts = [
            self.trouble or "",
            f"{_count(self.tally.rounds, 'round')} of {_count(self.clients, 'real thread')}",
            _count(self.tally.operations, "operation"),
            f"{self.tally.undecided} histories undecided" if self.tally.undecided else "",
            "keys that yield" if self.yielding_keys else "",
            *self._described(),
        ]
        return "; ".join(part for part in parts if part)

    def _described(self) -> Iterator[str]:
        found = self.description
        if found is None:
            return
        yield found.build
        yield f"yields between operations{' and inside them' if found.inside else ' only'}"
        yield f"operations: {', '.join(found.forms)}"
        if found.contracts:
            yield f"contracts: {', '.join(f'{op} {contract}' for op, contract in found.contracts.items())}"
        if found.left_out:
            yield f"not offered, not tested: {'; '.join(found.left_out)}"

    def evidence(self) -> Evidence:
        """The same as one line of a table."""
        account = self.counterexample.account if self.counterexample else None
        return Evidence(self.name, Kind.TEST, self.verdict, self.scope, self.seconds, account)


def silence_for(budget: float) -> float:
    """Seconds without a call or a return until a map is said to hang."""
    return min(max(budget / 2, _SHORTEST_SILENCE), _LONGEST_SILENCE)


def examine_threads(
    source: Source,
    *,
    budget: float,
    seed: int,
    ops: Iterable[Op] | None = None,
    atomic: Iterable[Op] = (),
    clients: int = CLIENTS,
    operations: int = OPERATIONS,
    yielding_keys: bool = False,
    silence: float | None = None,
    megabytes: float | None = None,
    failures: Path = Path(".mapproof"),
    progress: Callable[[Tally], None] = lambda tally: None,
) -> ThreadFindings:
    """Run rounds of `clients` threads with `operations` operations each, in a child process, for `budget` seconds or
    until one fails, whose history is written below `failures`.

    With `yielding_keys` the map is given keys whose `==` and `hash` give the processor away, inside C too.
    `silence` is how many seconds may pass without a call or a return (None: half the budget, from 2 to 10);
    `megabytes` bounds the memory of the child. Raises UnsuitableTarget if the source gives no map that can be
    driven, ValueError for bounds that make no sense, and KitFailed.
    """
    if clients < 1 or operations < 1 or budget <= 0:
        raise ValueError("clients and operations must be at least 1, and the budget above 0")
    if megabytes is not None and resident_megabytes(os.getpid()) is None:
        raise UnsuitableTarget("a limit of memory can be held on Linux only")
    judging = min(max(budget, _LEAST_TO_JUDGE), _MOST_TO_JUDGE)
    limits = Limits(silence_for(budget) if silence is None else silence, judging, megabytes)
    request = Request(
        source,
        tuple(sys.path),
        min(budget, _FOREVER),
        str(seed),
        clients,
        operations,
        limits.judging,
        None if ops is None else tuple(ops),
        tuple(atomic),
        yielding_keys,
    )
    with tempfile.TemporaryDirectory(prefix="mapproof-", ignore_cleanup_errors=True) as directory:
        return _Examination(request, limits, Path(directory), failures, progress).findings()


class _Examination:
    def __init__(
        self,
        request: Request,
        limits: Limits,
        directory: Path,
        failures: Path,
        progress: Callable[[Tally], None],
    ) -> None:
        self._request = request
        self._limits = limits
        self._directory = directory
        self._failures = failures
        self._progress = progress
        self._journal = Journal(directory / JOURNAL, request.clients, request.operations)

    def findings(self) -> ThreadFindings:
        started = time.perf_counter()
        write_request(self._directory, self._request)
        noticed = contain(self._directory, self._journal, self._limits, self._look)
        answer = read_answer(self._directory)
        if answer is None and noticed is None:
            noticed = Noticed(Fault.EXIT, "the process ended with exit code 0")
        failed, trouble = self._outcome(answer, noticed)
        undecided = 0 if answer is None else answer.undecided
        return ThreadFindings(
            self._request.source.name,
            self._request.clients,
            self._request.yielding_keys,
            Tally(self._journal.rounds, self._journal.operations, undecided),
            time.perf_counter() - started,
            read_description(self._directory),
            failed,
            trouble,
        )

    def _look(self, rounds: int, operations: int) -> None:
        self._progress(Tally(rounds, operations))

    def _outcome(
        self, answer: Answer | None, noticed: Noticed | None
    ) -> tuple[RoundFailed | None, str | None]:
        if answer is None:
            assert noticed is not None
            if self._journal.phase is Phase.STARTING and noticed.fault is not None:
                raise KitFailed(f"{noticed.summary} before it began\n{self._text(OUTPUT)}")
            if noticed.fault is None:
                return None, noticed.summary
            return self._died(noticed.fault, noticed.summary), None
        if answer.refused is not None:
            raise UnsuitableTarget(answer.refused)
        if answer.broken is not None:
            raise KitFailed(answer.broken)
        failed = None if answer.failed is None else self._failed(answer.failed)
        return failed, answer.trouble

    def _failed(self, failed: Failed) -> RoundFailed:
        """A round that the child could tell of."""
        lines = (self._directory / HISTORY).read_bytes()
        history = self._keep(lines) if lines else None
        account = [f"{failed.fault.upper()}: {failed.summary}", *_paragraph(failed.detail)]
        return RoundFailed(
            failed.fault, failed.summary, "\n".join([*account, "", *self._saved(history)]), history
        )

    def _died(self, fault: Fault, summary: str) -> RoundFailed:
        """A round that nobody lived to tell of."""
        description = read_description(self._directory)
        keys = keys_of(text=description is not None and description.text_keys)
        entries = self._journal.entries(keys)
        dict_like = description is not None and description.style == "dict-like"
        operations = accounts.since_the_first_call(settled(entry.operation, dict_like) for entry in entries)
        lines = b"".join(History(operations).lines())
        history = self._keep(lines) if lines else None
        pending = {entry.operation.client for entry in entries if entry.operation.pending}
        threads = {ident: client for ident, client in self._journal.threads().items() if client in pending}
        stacks = list(accounts.stacks(self._text(STACKS), threads))
        parts = [
            [f"{fault.upper()}: {summary} {_while(self._journal.phase, self._journal.rounds)}"],
            list(accounts.running(entries, description)),
            list(accounts.last_operations(operations)),
            ["stacks:", *stacks] if stacks else [],
            list(accounts.last_lines(self._text(OUTPUT))),
            self._saved(history),
        ]
        account = "\n\n".join("\n".join(part) for part in parts if part)
        return RoundFailed(fault, summary, account, history)

    def _saved(self, history: Path | None) -> list[str]:
        if history is None:
            return []
        description = read_description(self._directory)
        contracts = {} if description is None else description.contracts
        atomic = ",".join(op for op, contract in contracts.items() if contract == Contract.ATOMIC)
        return [f"history: mapproof history {history}{' --atomic ' if atomic else ''}{atomic}"]

    def _keep(self, lines: bytes) -> Path:
        """The history in a file below `failures`, or where temporary files go if that cannot be written."""
        name = self._request.source.attribute.rpartition(".")[2]
        file = f"{name}-{hashlib.sha256(lines).hexdigest()[:8]}.jsonl"
        try:
            return _written(self._failures / file, lines)
        except OSError:
            return _written(Path(tempfile.gettempdir()) / file, lines)

    def _text(self, name: str) -> str:
        """The end of what the child wrote to that file."""
        try:
            with open(self._directory / name, "rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_BYTES))
                return file.read().decode(errors="backslashreplace")
        except FileNotFoundError:
            return ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _paragraph(lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return ["", *found] if found else []


def _while(phase: Phase, rounds: int) -> str:
    match phase:
        case Phase.LOADING:
            return "while its module was imported"
        case Phase.PROBING:
            return "while one thread called each operation once"
        case Phase.MAKING:
            return f"while a new one was made for round {rounds + 1:,}"
        case Phase.RUNNING:
            return f"in round {rounds + 1:,}"
        case Phase.OBSERVING:
            return f"after round {rounds + 1:,}, when client 0 asked what was there"
        case Phase.INVARIANTS:
            return f"after round {rounds + 1:,}, in check_invariants"
        case _:
            return f"after round {rounds + 1:,}, when nothing of it was called"


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
