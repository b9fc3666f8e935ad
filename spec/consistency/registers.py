"""Sees each key of a history as a register with reads and writes, and finds what a read may have read from.

The idea: an operation reads as far as its answer says what the state was, and writes as far as it left another.
So a swap, a successful compare and a delete that found something are a read and a write with one interval; a
failed compare is a read that excludes a value; a delete writes that the key is missing, and so does the start of
the history. A pending operation, or one that raised, may have written; it read nothing that is known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from math import inf
from typing import NamedTuple

from mapproof.spec.claims import Claims
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import MISSING, Effect
from mapproof.spec.linearizability.groups import AnyGroup, Impossible, split
from mapproof.spec.linearizability.search import Action
from mapproof.spec.operations import Op

Access = Action[Effect]


class Write(NamedTuple):
    """A write of a value (by number) to one key; `shown` is None for the start, when every key is missing."""

    value: int
    call: float
    return_: float
    shown: Operation | None


START = Write(MISSING, -inf, -inf, None)


def operations_of(history: History | Iterable[Operation]) -> tuple[Operation, ...]:
    """The operations of a history, or of anything that holds operations."""
    return history.operations if isinstance(history, History) else tuple(history)


def registers(operations: Iterable[Operation]) -> list[AnyGroup] | Impossible:
    """A register for each key, or an operation that no state explains.

    A `clear` deletes each key. `range` and `len` are left out: what they read of a key may be claimed weak.
    """
    judged = [operation for operation in operations if operation.op not in (Op.RANGE, Op.LEN)]
    return split(judged, Claims(), Budget(len(judged), inf))


def reads_of(accesses: Iterable[Access]) -> Iterator[Access]:
    """The accesses whose answer says what they read."""
    for access in accesses:
        if not access.optional and (access.effect.wanted >= 0 or access.effect.unless >= 0):
            yield access


class Writes:
    """The writes of one key, to be asked in logarithmic time."""

    __slots__ = ("_best", "_by_return", "_by_value", "_calls", "_newest", "_others", "certain")

    def __init__(self, accesses: Iterable[Access]) -> None:
        writers = [access for access in accesses if access.effect.post >= 0]
        every = sorted([START, *map(_write, writers)], key=lambda write: write.call)
        by_value: dict[int, list[Write]] = defaultdict(list)
        for write in every:
            by_value[write.value].append(write)
        self._by_value = {
            value: ([write.call for write in writes], list(accumulate(writes, _later_return)))
            for value, writes in by_value.items()
        }
        self._calls = [write.call for write in every]
        self._best = list(accumulate(every, _later_return))
        self._others = _best_of_other_values(every)
        self.certain = sorted(
            (_write(access) for access in writers if not access.optional), key=lambda write: write.return_
        )
        self._by_return = [write.return_ for write in self.certain]
        self._newest = list(accumulate(self.certain, _later_call))

    def explaining(self, read: Access) -> Write | None:
        """Of the writes called by the return of the read that wrote what it read, the one that returned last.

        No other one is less stale: what is certain to have come between such a write and the read was called
        after the return of the write.
        """
        wanted, unless, _ = read.effect
        if wanted >= 0:
            if wanted not in self._by_value:
                return None
            calls, best = self._by_value[wanted]
            place = bisect_right(calls, read.return_) - 1
            return best[place] if place >= 0 else None
        place = bisect_right(self._calls, read.return_) - 1
        if self._best[place].value == unless:
            return self._others[place]
        return self._best[place]

    def newest_before(self, read: Access) -> Write | None:
        """Of the writes that certainly happened and returned before the read was called, the one called last."""
        place = bisect_left(self._by_return, read.call) - 1
        return self._newest[place] if place >= 0 else None


def _write(access: Access) -> Write:
    return Write(access.effect.post, access.call, access.return_, access.shown)


def _later_return(one: Write, other: Write) -> Write:
    return other if other.return_ > one.return_ else one


def _later_call(one: Write, other: Write) -> Write:
    return other if other.call > one.call else one


def _best_of_other_values(writes: Iterable[Write]) -> list[Write | None]:
    """For each prefix, the write that returned last among those of another value than the last one of all."""
    first: Write | None = None
    second: Write | None = None
    found: list[Write | None] = []
    for write in writes:
        if first is None or write.return_ > first.return_:
            if first is not None and first.value != write.value:
                second = first
            first = write
        elif write.value != first.value and (second is None or write.return_ > second.return_):
            second = write
        found.append(second)
    return found
