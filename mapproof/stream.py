"""Decides a history that comes as a stream of lines, and words the answer.

The idea: lines in the order of their calls go straight to the online checker, which stops at the first operation
that makes a violation certain. Recorders write a line when an operation returns; a heap of some lines puts those
back into the order of the calls, as long as none is later than the heap is deep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush, heappushpop
from math import inf
from typing import BinaryIO, Final, TypeAlias

from mapproof.spec.claims import Claims
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.history import HistoryError, Operation, no_operation_error, operation_of, overlap_error
from mapproof.spec.linearizability import Unknown, Violation
from mapproof.spec.linearizability.streaming import OnlineChecker

_LINES_BETWEEN_LOOKS_AT_THE_CLOCK: Final = 256
_SECONDS_BETWEEN_WORDS: Final = 0.5

_Line: TypeAlias = tuple[int, float, int, Operation]
"""Call, return, line from 0, and the operation; sorts by time."""


def judge_stream(
    stream: BinaryIO | Iterable[bytes],
    name: str,
    claims: Claims,
    *,
    reorder: int = 0,
    limit_seconds: float | None = None,
    max_configurations: int = 1_000_000,
    progress: Callable[[str], None] | None = None,
) -> Evidence:
    """The verdict on JSONL lines in the order of their calls, or at most `reorder` lines out of that order.

    The end of the stream is the end of the history. A stream that is cut by Ctrl-C, by a broken pipe or by the
    time limit is UNKNOWN, unless what came before is a violation. Raises HistoryError for lines that cannot be
    read or come too late, and for claims that a stream cannot be held to.
    """
    started = time.perf_counter()
    try:
        checker = OnlineChecker(claims, max_configurations=max_configurations, limit_seconds=limit_seconds)
    except ValueError as error:
        raise HistoryError(f"{name}: {error}") from None
    reader = _Reader(checker, name, progress, inf if limit_seconds is None else started + limit_seconds)
    verdict, scope, account = reader.judge(_ordered(stream, name, reorder))
    return Evidence(name, Kind.HISTORY, verdict, scope, time.perf_counter() - started, account)


def core_table(core: Sequence[Operation]) -> list[str]:
    """A core, an operation a line, times aligned."""
    ends = ["" if operation.return_ is None else str(operation.return_) for operation in core]
    wide = max(len(str(operation.call)) for operation in core)
    wide_end = max(map(len, ends))
    return ["the core, by call..return:"] + [
        f"  client {operation.client}  {operation.call:>{wide}}..{end:<{wide_end}}  {operation}"
        for operation, end in zip(core, ends, strict=True)
    ]


def _ordered(stream: Iterable[bytes], name: str, reorder: int) -> Iterator[_Line]:
    """The operations by call, where `reorder` lines are enough to see that; else as they come."""
    held: list[_Line] = []
    for number, text in enumerate(stream):
        operation = operation_of(text, f"{name}:{number + 1}")
        line = operation.call, _end(operation), number, operation
        if len(held) < reorder:
            heappush(held, line)
        else:
            yield heappushpop(held, line)
    while held:
        yield heappop(held)


def _end(operation: Operation) -> float:
    return inf if operation.return_ is None else operation.return_


class _Stopped(Exception):
    """The stream was cut; the text says by what."""


class _Reader:
    """Hands lines to the checker, and says no to a client that does two things at once."""

    def __init__(
        self, checker: OnlineChecker, name: str, progress: Callable[[str], None] | None, deadline: float
    ) -> None:
        self._checker = checker
        self._name = name
        self._progress = progress
        self._deadline = deadline
        self._clients: dict[int, tuple[int, Operation]] = {}
        self._latest = -1
        self._next_word = 0.0

    def judge(self, lines: Iterable[_Line]) -> tuple[Verdict, str, str | None]:
        """Verdict, scope and, for a violation, its account."""
        try:
            violation = self._first_violation(lines)
        except (KeyboardInterrupt, OSError, _Stopped) as cut:
            words = "interrupted" if isinstance(cut, KeyboardInterrupt) else str(cut)
            so_far = f"{words}; no violation was found in what came before: {self._size()}"
            return Verdict.UNKNOWN, so_far, None
        if violation is not None:
            at = f"certain when line {self._latest + 1} was read; {self._size()}"
            return Verdict.VIOLATION, at, self._account(violation)
        if self._latest < 0:
            raise no_operation_error(self._name)
        match self._checker.finish():
            case Violation() as late:
                return (
                    Verdict.VIOLATION,
                    f"certain at the end of the stream; {self._size()}",
                    self._account(late),
                )
            case Unknown(reason=reason):
                return Verdict.UNKNOWN, f"{reason}; {self._size()}", None
            case _:
                return Verdict.LINEARIZABLE, f"{self._size()}; no witness is kept of a stream", None

    def _first_violation(self, lines: Iterable[_Line]) -> Violation | None:
        feed, clients = self._checker.feed, self._clients
        for count, (call, _, number, operation) in enumerate(lines):
            if count % _LINES_BETWEEN_LOOKS_AT_THE_CLOCK == 0:
                self._look_at_the_clock(count)
            busy = clients.get(operation.client)
            if busy is not None and call < _end(busy[1]):
                self._refuse_overlap(number, operation, *busy)
            else:
                clients[operation.client] = number, operation
            self._latest = max(self._latest, number)
            try:
                violation = feed(operation)
            except ValueError:
                raise self._late(number, call) from None
            if violation is not None:
                return violation
        return None

    def _refuse_overlap(self, number: int, operation: Operation, before: int, busy: Operation) -> None:
        """Except where the operation may as well come before the other, at the moment of its call."""
        if operation.call < busy.call:
            raise self._late(number, operation.call)
        if not operation.call == busy.call == operation.return_:
            raise overlap_error(self._name, number, operation, before, busy)

    def _late(self, number: int, call: int) -> HistoryError:
        return HistoryError(
            f"{self._name}:{number + 1}: call: {call} is before {self._checker.now}, which is decided already; "
            "sort the lines by call, hold back more of them with --reorder N, or give a file"
        )

    def _look_at_the_clock(self, count: int) -> None:
        now = time.perf_counter()
        if now > self._deadline:
            raise _Stopped("the time limit ran out")
        if self._progress is not None and now > self._next_word:
            self._next_word = now + _SECONDS_BETWEEN_WORDS
            self._progress(f"{self._name}: {count:,} operations")

    def _size(self) -> str:
        return f"{self._checker.operations:,} operations, {len(self._clients):,} clients"

    def _account(self, violation: Violation) -> str:
        return "\n".join([violation.explanation, "", *core_table(violation.core)])
