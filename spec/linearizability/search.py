"""The search for an order: just-in-time linearization (Lowe, "Testing for linearizability", CCPE 2017).

The idea: walk over the calls and returns in time order, and keep every configuration that may be the truth: the
state, and which of the operations now running have taken effect. Nothing takes effect before it must. When an
operation returns, each configuration in which it has not taken effect yet is replaced by all that arise when
running operations take effect, one after the other, until this one has. A history has no explanation when no
configuration is left.

Three things keep the configurations few. An operation that only reads takes effect as soon as the state allows
it, and so does one that may act again later wherever it changes nothing: neither takes anything away. Equal configurations are one. And where each running action touches one
part of the state, only those on the part of the returning one are tried before it: the others commute with it,
so they can wait for their own return.

That waiting loses nothing: cut any valid order after each operation that is the first of those not yet in
effect to return; the operations before the cut were all called by that return.

The search knows nothing of maps. It is given the initial state and the step, so any sequential specification
whose states are hashable can take their place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Generic, NamedTuple, TypeVar

from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.results import Method

S = TypeVar("S", bound=Hashable)
E = TypeVar("E")

Step = Callable[[S, E], S | None]
"""The state after an effect, or None if the effect is not possible in that state."""

PENDING: Final = inf
"""The return time of an action that never returned."""


class Action(NamedTuple, Generic[E]):
    """Something that took effect at one moment between `call` and `return_` (both included).

    `source` is the place of its operation in the history and `shown` what stands for it in a witness.
    `reads`: it never changes the state. `optional`: it may as well not have happened.
    `repeatable`: it may have happened at several moments. An optional action must not be one that reads.
    `part`: the one part of the state that it reads and changes; None if it may be all of it.
    """

    source: int
    shown: Operation
    call: int
    return_: float
    effect: E
    reads: bool
    optional: bool = False
    repeatable: bool = False
    part: int | None = None


class _Running(NamedTuple):
    """An action between its call and its return, with the bit that stands for it in a configuration's mask."""

    bit: int
    place: int
    effect: Any
    optional: bool
    repeatable: bool
    part: int | None


_Link = tuple[Any, int] | None
"""The actions in effect, last first: (the link before, the action's place), None for none."""

_Configurations = dict[tuple[S, int], _Link]
"""(state, mask of the running actions that are in effect) -> one order that leads there."""


@dataclass(frozen=True, slots=True)
class Explained:
    """An order exists: places in the list of actions."""

    order: Sequence[int]
    method: Method = Method.SEARCH


@dataclass(frozen=True, slots=True)
class Stuck:
    """No order exists; no configuration survived the return of the action at `place`.

    `hints`, if any, are the places of actions that a refutation of another kind rests on.
    """

    place: int
    hints: tuple[int, ...] = ()
    method: Method = Method.SEARCH


def find_order(
    actions: Sequence[Action[E]], initial: S, step: Step[S, E], budget: Budget
) -> Explained | Stuck:
    """Whether the actions have an order that respects time and in which each step is possible.

    Raises OutOfBounds. Takes time exponential in the number of changes that run at once, at worst.
    """
    live: _Configurations[S] = {(initial, 0): None}
    readers: dict[int, _Running] = {}
    writers: dict[int, _Running] = {}
    free: dict[int, _Running] = {}
    wide = 0
    bits = _Bits()
    for returns, place in _events(actions, budget):
        budget.work(len(live))
        action = actions[place]
        if returns:
            running = (readers if action.reads else writers)[place]
            tried = _dependent(running, writers.values(), wide)
            live = _returned(live, running, action.reads, tried, free.values(), step, budget)
            if not live:
                return Stuck(place)
            del (readers if action.reads else writers)[place]
            free.pop(place, None)
            wide -= running.part is None
            bits.give_back(running.bit)
        else:
            running = _Running(
                bits.take(), place, action.effect, action.optional, action.repeatable, action.part
            )
            (readers if action.reads else writers)[place] = running
            wide += running.part is None
            if action.reads or action.repeatable:
                free[place] = running
                live = _at_once(live, running, step)
    return Explained(_order(next(iter(live.values()))))


def _events(actions: Sequence[Action[E]], budget: Budget) -> Iterator[tuple[bool, int]]:
    """(returns, place) in time order, a call before a return at the same time: then the two overlap."""
    called = [action.call for action in actions]
    returned = [action.return_ for action in actions]
    calls = sorted(range(len(actions)), key=called.__getitem__)
    budget.work(len(calls))
    returns = sorted(range(len(actions)), key=returned.__getitem__)
    budget.work(len(returns))
    nxt = 0
    for place in returns:
        time = returned[place]
        while nxt < len(calls) and called[calls[nxt]] <= time:
            yield False, calls[nxt]
            nxt += 1
        if time == PENDING:
            return
        yield True, place


class _Bits:
    """Hands out single bits, freed ones first, so that masks stay as short as the concurrency."""

    __slots__ = ("_free", "_next")

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = 1

    def take(self) -> int:
        if self._free:
            return self._free.pop()
        bit = self._next
        self._next <<= 1
        return bit

    def give_back(self, bit: int) -> None:
        self._free.append(bit)


def _dependent(returning: _Running, writers: Collection[_Running], wide: int) -> Collection[_Running]:
    """The running writers whose effect the returning action may have to wait for.

    While any of the `wide` actions runs, which may touch all of the state, that is all of them: it tells their
    orders apart.
    """
    return writers if wide else [writer for writer in writers if writer.part == returning.part]


def _at_once(live: _Configurations[S], running: _Running, step: Step[S, Any]) -> _Configurations[S]:
    """Let an action take effect wherever that costs nothing, because the state stays as it is."""
    bit, place, effect, *_ = running
    after: _Configurations[S] = {}
    for (state, mask), link in live.items():
        if step(state, effect) == state:
            after[state, mask | bit] = (link, place)
        else:
            after[state, mask] = link
    return after


def _returned(
    live: _Configurations[S],
    returning: _Running,
    reads: bool,
    writers: Collection[_Running],
    free: Collection[_Running],
    step: Step[S, Any],
    budget: Budget,
) -> _Configurations[S]:
    """The configurations after the return: those in which the action took effect (or, optional, never will)."""
    bit, again = returning.bit, returning.repeatable
    settled: _Configurations[S] = {}
    open_: list[tuple[S, int, _Link]] = []
    for (state, mask), link in live.items():
        if mask & bit:
            settled[state, mask ^ bit] = link
            if not again:
                continue
        elif returning.optional:
            settled[state, mask] = link
        open_.append((state, mask, link))
    seen = {(state, mask) for state, mask, _ in open_}
    while open_:
        state, mask, link = open_.pop()
        before = len(seen) + len(settled)
        for other, place, effect, optional, repeatable, _ in writers:
            if mask & other and not repeatable:
                continue
            after = step(state, effect)
            if after is None or (optional and after == state):
                continue
            reached, order = mask | other, (link, place)
            for costless, at, demand, *_ in free:
                if not reached & costless and step(after, demand) == after:
                    reached |= costless
                    order = (order, at)
            if other == bit or (reads and reached & bit):
                settled.setdefault((after, reached ^ bit), order)
                if not again:
                    continue
            if (after, reached) not in seen:
                seen.add((after, reached))
                open_.append((after, reached, order))
        made = len(seen) + len(settled) - before
        if made:
            budget.create(made)
            budget.work(4 * len(writers))
    return settled


def _order(link: _Link) -> list[int]:
    order = []
    while link is not None:
        link, place = link
        order.append(place)
    order.reverse()
    return order
