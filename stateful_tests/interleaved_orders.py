"""Are the answers of a concurrent run those of the same rules in some order, run one after the other?

The idea: a machine is its own sequential specification. Linearizability asks for an order that respects real time and
explains every answer; programs are small, so orders are tried depth first by running them on a new machine, and an
order is left at its first other answer. What an order answers does not depend on the schedule: it is remembered for
all the schedules of a program.

Rules may wait. A run in which no thread can go on is right if the rules that ended have an order after which each of
those that wait would wait for ever, too (as in Lincheck); otherwise a wake-up was lost.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

from mapproof.spec.history import Operation
from mapproof.spec.values import identity
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A value that may change, as it was when it was answered; `repr` and equality are those of the value."""

    value: Any

    def __repr__(self) -> str:
        return repr(self.value)

    def __hash__(self) -> int:
        return hash(type(self.value))


@dataclass(frozen=True, slots=True)
class Opaque:
    """An object that is equal to nothing but itself: of one run it can be told apart, not from run to run."""

    kind: str

    def __repr__(self) -> str:
        return f"<{self.kind}>"


def snapshot(value: Any, named: Callable[[Any], Any]) -> Any:
    """What stands for an answer in the history. `named` gives the name of an object that the program knows, or None."""
    kind = type(value)
    if kind in (list, tuple):
        return kind(snapshot(item, named) for item in value)
    if kind is dict:
        return {key: snapshot(item, named) for key, item in value.items()}
    if kind in (set, frozenset):
        return frozenset(snapshot(item, named) for item in value)
    if not isinstance(value, _LASTING) and _equals_only_itself(kind):
        return named(value) or Opaque(kind.__name__)
    try:
        hash(value)
    except TypeError:
        return _copied(value)
    return value


def _equals_only_itself(kind: Any) -> bool:
    return kind.__eq__ is object.__eq__


_LASTING = (type(None), type, FunctionType, BuiltinFunctionType, Enum)
"""Objects that are the same in every run."""


def _copied(value: Any) -> Snapshot | Opaque:
    try:
        return Snapshot(copy.deepcopy(value))
    except Exception:  # noqa: BLE001 - whatever its own way of copying raises
        return Opaque(type(value).__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one rule in one order: its answer, the name of what it raised, or that it would wait for ever."""

    answer: Any = None
    error: str | None = None
    waits: bool = False

    def is_that_of(self, operation: Operation) -> bool:
        """Whether the run had the same outcome."""
        if self.waits or operation.pending:
            return self.waits and operation.pending
        if self.error is not None or operation.error is not None:
            return self.error == operation.error
        return identity(self.answer) == identity(operation.result)

    def __str__(self) -> str:
        if self.waits:
            return "would wait for ever"
        return f"raises {self.error}" if self.error is not None else f"answers {self.answer!r}"


InOrder = Callable[[Sequence[int]], list[Outcome]]
"""Runs the steps with these numbers, one after the other, on a new machine: the outcomes, up to one that waits."""

SUFFICIENT: Final = 100_000
"""So many orders are run for one program at most; programs are drawn small enough for fewer to be all."""


UNREPEATABLE: Final = (
    "the same rules, one after the other, do not always do the same: the code under test depends on more than its "
    "schedule"
)


class TooManyOrders(Exception):
    """Whether the answers have an explanation was not found out."""


@dataclass(slots=True)
class Orders:
    """The orders of the steps of one program that were run so far: `outcomes` has that of the last step of each."""

    run: InOrder
    outcomes: dict[tuple[int, ...], Outcome] = field(default_factory=dict)
    runs: int = 0

    def outcome(self, order: tuple[int, ...], rest: Sequence[int]) -> Outcome:
        """What the last step of `order` does after those before it. The machine runs on with `rest`, which the search
        would ask for next."""
        known = self.outcomes.get(order)
        if known is not None:
            return known
        self.runs += 1
        if self.runs > SUFFICIENT:
            raise TooManyOrders(
                f"the answers of a run were not explained by {SUFFICIENT:,} orders of its rules"
            )
        whole = (*order, *rest)
        for length, outcome in enumerate(self.run(whole), 1):
            self.outcomes.setdefault(whole[:length], outcome)
        if order not in self.outcomes:
            raise NondeterministicTarget(UNREPEATABLE)
        return self.outcomes[order]


def unexplained(operations: Sequence[tuple[int, Operation]], orders: Orders) -> str | None:
    """None if some order explains the outcomes of these operations (each with the number of its step), else why not.

    Raises TooManyOrders.
    """
    search = _Search(sorted(operations, key=lambda pair: pair[1].call), orders)
    return None if search.explains((), search.ended) else search.account()


class _Search:
    def __init__(self, operations: Sequence[tuple[int, Operation]], orders: Orders) -> None:
        self._orders = orders
        self._of = dict(operations)
        self.ended = tuple(number for number, operation in operations if not operation.pending)
        self._waiting = tuple(number for number, operation in operations if operation.pending)
        self._best: tuple[int, ...] | None = None
        self._refuted: tuple[int, Outcome] | None = None

    def explains(self, order: tuple[int, ...], left: tuple[int, ...]) -> bool:
        """Whether `order` can go on with all that is `left`, and then those that wait would wait."""
        if not left:
            return all(self._fits(order, number, ()) for number in self._waiting)
        for number in self._next(left):
            rest = tuple(other for other in left if other != number)
            if self._fits(order, number, rest) and self.explains((*order, number), rest):
                return True
        return False

    def _next(self, left: tuple[int, ...]) -> Iterator[int]:
        """Those before whose call nothing else that is left has returned."""
        first = min(_returned(self._of[number]) for number in left)
        return (number for number in left if self._of[number].call < first)

    def _fits(self, order: tuple[int, ...], number: int, rest: tuple[int, ...]) -> bool:
        outcome = self._orders.outcome((*order, number), rest)
        if outcome.is_that_of(self._of[number]):
            return True
        if self._best is None or len(order) > len(self._best):
            self._best, self._refuted = order, (number, outcome)
        return False

    def account(self) -> str:
        """The order that came farthest, and where it ended."""
        assert self._best is not None and self._refuted is not None
        number, outcome = self._refuted
        here = self._of[number]
        who = f"client {here.client}'s {here.op}"
        did = (
            "waits" if here.pending else f"raised {here.error}" if here.error else f"answered {here.result!r}"
        )
        after = ", ".join(self._of[earlier].op for earlier in self._best)
        where = f"after {after}, {who}" if after else who
        return f"no order of the rules explains this run: {where} {outcome}, but here it {did}"


def _returned(operation: Operation) -> int:
    assert operation.return_ is not None
    return operation.return_
