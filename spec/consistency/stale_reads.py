"""Measures how stale the stalest read was: how many newer writes it missed, and by how much time.

The idea: two measures of Golab, Li and Shah ("Analyzing consistency properties for fun and profit", PODC 2011),
as far as they can be had quickly.

`missed` counts, for one read and the best write that it may have read from, the writes wholly between the two:
called after that write returned, and returned before the read was called. Exactly these must stand between
the two in any order of that read and all writes that respects time, and the rest need not; so each read, taken
alone with the writes, is within the `missed + 1` freshest values, and one is in no fewer. For k-atomicity, which
asks one order for all reads at once, `missed + 1` is a lower bound of k; deciding k-atomicity itself is open or
hard beyond k = 2 (Golab, Hurwitz and Li, ICDCS 2013).

`delta` is exact: the least number of clock units such that the history becomes linearizable when every read is
taken to be called so much earlier (their delta-atomicity). What moves are the operations whose answer says that
they changed nothing; one that reads and writes stays where it is. Widening intervals never makes a linearizable
history otherwise, so a binary search with the checker as judge finds it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Any

from mapproof.spec.consistency.registers import Access, Writes, operations_of, reads_of, registers
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.deciding import decide_key
from mapproof.spec.linearizability.explain import impossible, said
from mapproof.spec.linearizability.groups import Impossible
from mapproof.spec.linearizability.search import Explained


@dataclass(frozen=True, slots=True)
class Staleness:
    """How stale the stalest read was.

    `missed` newer writes were wholly past when `stalest` began (None if no read missed any). `delta` is in units
    of the clock: `inf` if no widening of reads makes the history linearizable, None if the bounds ran out first.
    """

    missed: int
    stalest: Operation | None
    delta: float | None

    @property
    def sentence(self) -> str:
        writes = "no newer write" if self.stalest is None else f"{self.missed} newer: {said(self.stalest)}"
        return f"the stalest read missed {writes}; {_DELTA.get(self.delta) or _said(self.delta)}"


_DELTA: dict[float | None, str] = {
    None: "how much earlier reads would have to be called is not known, for a bound ran out",
    0: "the history is linearizable as it is",
    inf: "calling reads earlier makes the history linearizable by no amount",
}


def _said(delta: float | None) -> str:
    return f"the history is linearizable if reads are called {delta} units earlier, and not with less"


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A read whose answer nobody had written when it returned: it is not stale but wrong."""

    read: Operation
    key: Any
    sentence: str


def staleness(
    history: History | Iterable[Operation],
    *,
    max_configurations: int = 1_000_000,
    limit_seconds: float | None = None,
) -> Staleness | Unexplained:
    """How stale the stalest read of one key was. `missed` takes O(n log n); the bounds are those of `delta`.

    `max_configurations` holds for each decision of one key, `limit_seconds` for all. What reads and what
    writes is said in `registers`; a failed compare is as stale as the latest write of another value makes
    it. `clear` deletes each key; `range` and `len` are not judged. Raises ValueError for an operation that
    returns before its call.
    """
    found = registers(operations_of(history))
    if isinstance(found, Impossible):
        return Unexplained(found.operation, found.key, impossible(found.operation, found.reason))
    stalest: tuple[int, Operation | None] = 0, None
    registers_: list[list[Access]] = [group.actions for group in found]  # type: ignore[misc]
    for group, accesses in zip(found, registers_, strict=True):
        for missed, read in _missed(accesses):
            if missed is None:
                value = group.values.value(read.effect.wanted)
                sentence = f"{said(read.shown)}, but nobody had stored {value!r} under {group.key!r} by then"
                return Unexplained(read.shown, group.key, sentence)
            if missed > stalest[0]:
                stalest = missed, read.shown
    deadline = inf if limit_seconds is None else perf_counter() + limit_seconds
    return Staleness(*stalest, _delta(registers_, Budget(max_configurations, deadline)))


def _missed(accesses: Sequence[Access]) -> list[tuple[int | None, Access]]:
    """For each read, how many writes it certainly missed; None if nobody wrote what it answered."""
    writes = Writes(accesses)
    counted = _CountsByCall([write.call for write in writes.certain])
    answers: list[tuple[int | None, Access]] = []
    returned = 0
    for read in sorted(reads_of(accesses), key=lambda access: access.call):
        while returned < len(writes.certain) and writes.certain[returned].return_ < read.call:
            counted.add(writes.certain[returned].call)
            returned += 1
        source = writes.explaining(read)
        answers.append((None if source is None else counted.above(source.return_), read))
    return answers


class _CountsByCall:
    """How many of the numbers added so far are above a bound, in logarithmic time (Fenwick's tree)."""

    __slots__ = ("_numbers", "_sums", "_total")

    def __init__(self, numbers: Iterable[float]) -> None:
        self._numbers = sorted(set(numbers))
        self._sums = [0] * (len(self._numbers) + 1)
        self._total = 0

    def add(self, number: float) -> None:
        self._total += 1
        place = bisect_right(self._numbers, number)
        while place < len(self._sums):
            self._sums[place] += 1
            place += place & -place

    def above(self, bound: float) -> int:
        place, not_above = bisect_right(self._numbers, bound), 0
        while place:
            not_above += self._sums[place]
            place -= place & -place
        return self._total - not_above


def _delta(registers_: Iterable[list[Access]], budget: Budget) -> float | None:
    """The least widening that makes every key linearizable; None if a bound ran out."""
    least: float = 0
    try:
        for accesses in registers_:
            least = _least(accesses, least, budget)
    except OutOfBounds:
        return None
    return least


def _least(accesses: list[Access], least: float, budget: Budget) -> float:
    """The least widening from `least` on that makes one key linearizable.

    Once each read is called no later than any other operation, widening more changes nothing.
    """
    if least == inf or _linearizable(accesses, least, budget):
        return least
    first = min(access.call for access in accesses)
    too_little, enough = int(least), max(access.call for access in accesses) - first
    if not _linearizable(accesses, enough, budget):
        return inf
    while enough - too_little > 1:
        middle = (too_little + enough) // 2
        if _linearizable(accesses, middle, budget):
            enough = middle
        else:
            too_little = middle
    return enough


def _linearizable(accesses: list[Access], delta: float, budget: Budget) -> bool:
    budget.look_at_the_clock()
    widened = [
        access._replace(call=int(access.call - delta)) if access.reads else access for access in accesses
    ]
    return isinstance(decide_key(widened, budget.renewed()), Explained)
