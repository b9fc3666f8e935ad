"""Finds the few operations that a violation rests on.

The idea: dropping an operation proves nothing, for without the store each load of its value is "a violation".
So operations are *forgotten* instead: we no longer demand anything of them, and let the others gain whatever
they might have given.

* A forgotten read disappears.
* A forgotten write of v disappears too, but an operation that wanted to meet v, and may have met this one, has
  its wish granted for nothing. It may have met it unless it returned before the write was called, or some
  operation that we still hold to changed the key after the write and before it: called after the write's
  return, returned before its own call.
* If no writer of v is left at all, every wish for v is granted, so that a core shows where its values come from.

Forgetting only ever makes a history easier to explain. Take an order that explains it before x is forgotten,
and cross x out. Whoever met the state that x left did so before the next change in that order. So it did not
return before x was called, and nothing that always changes the key fits between the two in time: its wish is
granted. Hence operations that stay a violation when all others are forgotten are one whatever those did; and a
smallest such set is found by halving, because forgetting more never brings a violation back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TypeAlias

from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.deciding import decide
from mapproof.spec.linearizability.effects import MISSING, Count, Effect, MapEffect
from mapproof.spec.linearizability.groups import AnyGroup
from mapproof.spec.linearizability.results import ALL_KEYS
from mapproof.spec.linearizability.search import PENDING, Action, Stuck

AnyAction = Action[Effect] | Action[MapEffect]


Around: TypeAlias = Callable[[Collection[int]], Sequence[AnyAction]]
"""The actions of some operations, and of the others at least those that make a difference to these when
forgotten: any superset will do, all actions too."""


@dataclass(frozen=True, slots=True)
class Core:
    """Indices of operations, ascending; `smallest` unless a bound ran out before that was known.

    Not `proven`: the bound ran out so soon that these are only where the refutation of a long key stopped.
    """

    indices: tuple[int, ...]
    smallest: bool
    proven: bool = True


def core_of(group: AnyGroup, stuck: Stuck, budget: Budget) -> Core:
    """A set of operations that is a violation with all others forgotten, and none fewer of them is.

    What the refutation stumbled over is tried first, then what was called near it.
    """
    until = PENDING if stuck.hints else group.actions[stuck.place].return_
    seen = [action for action in group.actions if action.call <= until]
    calls = {action.source: action.call for action in seen}
    around = partial(surroundings, seen) if group.key is not ALL_KEYS else lambda near: seen
    candidates = _by_suspicion(group, calls, stuck)
    return smallest_core(group, candidates, calls.__getitem__, around, until, budget)


def _by_suspicion(group: AnyGroup, calls: Mapping[int, int], stuck: Stuck) -> list[int]:
    """The sources of the actions seen: the hints, then the others by how long before the last hint, or after."""
    first = {group.actions[place].source for place in stuck.hints or (stuck.place,)}
    center = max(calls[source] for source in first)
    return sorted(calls, key=lambda source: (source not in first, abs(center - calls[source]), calls[source]))


def smallest_core(
    group: AnyGroup,
    candidates: Sequence[int],
    call: Callable[[int], int],
    around: Around,
    until: float,
    budget: Budget,
) -> Core:
    """The same for operations given by suspicion, the most suspicious first, out of a key of any size.

    The first few are tried, then ever more, until they are a violation by themselves. Those are halved, the
    earliest by `call` first, so that the core is the first that went wrong: about 2 log2(m) decisions of at most
    m operations for each one found.
    """
    size = _FIRST_CANDIDATES
    try:
        while True:
            near = sorted(candidates[:size], key=call)
            shrinker = _Shrinker(group, around(set(near)), until, budget, near)
            if len(near) == len(candidates) or shrinker.violates(near):
                break
            size *= 8
    except OutOfBounds:
        if len(candidates) > _MOST_SHOWN:
            return Core(tuple(sorted(candidates[:_FIRST_CANDIDATES])), smallest=False, proven=False)
        return Core(tuple(sorted(candidates)), False)
    with suppress(OutOfBounds):
        shrinker.run()
        return Core(tuple(sorted(shrinker.best)), True)
    return Core(tuple(sorted(shrinker.best)), False)


_FIRST_CANDIDATES = 16
_MOST_SHOWN = 4096


def surroundings(actions: Iterable[AnyAction], near: Collection[int]) -> list[AnyAction]:
    """The actions on one key that `Around` asks for, when those of `near` are to be told from the others.

    A forgotten write can only give a state that somebody wants (or, where a comparison failed, any). Of those
    that returned before everything near was called, one for each state gives as much as all of them; one that
    is called after everything near has returned gives nothing, but shows where the state comes from.
    """
    all_actions = list(actions)
    kept = [action for action in all_actions if action.source in near]
    if not kept:
        return []
    begin, end = min(action.call for action in kept), max(action.return_ for action in kept)
    effects = [effect for action in kept for _, effect in _parts(action)]
    wishes = {effect.wanted for effect in effects if effect.wanted >= 0}
    any_state = any(effect.unless >= 0 for effect in effects)
    outside: dict[tuple[int, bool], AnyAction] = {}
    for action in all_actions:
        state = _parts(action)[0][1].post
        if action.source in near or state < 0 or not (any_state or state in wishes):
            continue
        if begin <= action.return_ and action.call <= end:
            kept.append(action)
        else:
            best = outside.setdefault((state, action.call > end), action)
            if action.call < best.call:
                outside[state, action.call > end] = action
    return [*kept, *outside.values()]


class _Shrinker:
    """Holds the smallest violation found so far, for when a bound runs out."""

    def __init__(
        self, group: AnyGroup, seen: Sequence[AnyAction], until: float, budget: Budget, candidates: list[int]
    ) -> None:
        self._group = group
        self._seen = seen
        self._until = until
        self._budget = budget
        self._candidates = candidates
        self.best = candidates

    def run(self) -> None:
        needed: list[int] = []
        rest = self._candidates
        while not self.violates(needed):
            rest = rest[: self._shortest(needed, rest)]
            needed.append(rest.pop())

    def _shortest(self, needed: list[int], rest: list[int]) -> int:
        """How many of `rest` must be added to `needed` for a violation; at least one, at most all."""
        too_few, enough = 0, 1
        while enough < len(rest) and not self.violates(needed + rest[:enough]):
            too_few, enough = enough, 2 * enough
        enough = min(enough, len(rest))
        while enough - too_few > 1:
            half = (too_few + enough) // 2
            if self.violates(needed + rest[:half]):
                enough = half
            else:
                too_few = half
        return enough

    def violates(self, kept: list[int]) -> bool:
        if not kept:
            return False
        self._budget.look_at_the_clock()
        if not violates(self._group, self._seen, set(kept), self._until, self._budget):
            return False
        if len(kept) < len(self.best):
            self.best = kept
        return True


def violates(
    group: AnyGroup, actions: Sequence[AnyAction], kept: Collection[int], until: float, budget: Budget
) -> bool:
    """Whether the kept operations (by index) have no explanation until that time, all others forgotten."""
    demanded = [
        action if action.return_ <= until else action._replace(return_=PENDING, optional=True)
        for action in forget(actions, kept)
        if action.return_ <= until or not action.reads
    ]
    budget.work(len(actions))
    return isinstance(decide(group, demanded, budget), Stuck)


def forget(actions: Sequence[AnyAction], kept: Collection[int]) -> list[AnyAction]:
    """The actions of the kept operations, each without the demands that the forgotten ones may have met."""
    gifts = _Gifts(actions, kept)
    demanded = []
    for action in actions:
        if action.source in kept:
            effect = gifts.relieve(action)
            if effect is not None:
                demanded.append(action._replace(effect=effect))  # type: ignore[arg-type]
    return demanded


def _parts(action: AnyAction) -> tuple[tuple[int, Effect], ...]:
    effect = action.effect
    return effect.parts if isinstance(effect, MapEffect) else ((0, effect),)


class _Gifts:
    """What the forgotten operations may have given: for each place and state, during which times."""

    def __init__(self, actions: Sequence[AnyAction], kept: Collection[int]) -> None:
        changes = _changes(action for action in actions if action.source in kept and not action.optional)
        windows: defaultdict[int, defaultdict[int, list[tuple[int, float]]]]
        windows = defaultdict(lambda: defaultdict(list))
        kept_writes: set[tuple[int, int]] = set()
        for action in actions:
            for place, effect in _parts(action):
                if effect.post < 0:
                    continue
                if action.source in kept:
                    kept_writes.add((place, effect.post))
                else:
                    end = changes[place].certain_after(action.return_) if place in changes else PENDING
                    windows[place][effect.post].append((action.call, end))
        self._kept_writes = kept_writes
        self._windows = {
            place: {state: _Windows(found) for state, found in states.items()}
            for place, states in windows.items()
        }

    def relieve(self, action: AnyAction) -> Effect | MapEffect | None:
        """The effect without what is given; None if nothing remains of it."""
        if isinstance(action.effect, Effect):
            effect = self._relieved(0, action.effect, action)
            return None if effect == Effect() else effect
        relieved = ((place, self._relieved(place, part, action)) for place, part in action.effect.parts)
        parts = tuple((place, part) for place, part in relieved if part != Effect())
        count = action.effect.length and self._loosened(action.effect.length, action)
        return MapEffect(parts, count) if parts or count else None

    def _relieved(self, place: int, effect: Effect, action: AnyAction) -> Effect:
        if effect.wanted >= 0 and self._may_meet(place, effect.wanted, action):
            return Effect(post=effect.post)
        if effect.unless >= 0 and self._may_meet_any(place, action, lambda state: state != effect.unless):
            return Effect(post=effect.post)
        return effect

    def _may_meet(self, place: int, state: int, action: AnyAction) -> bool:
        windows = self._windows.get(place, {}).get(state)
        if windows is None:
            return False
        without_origin = state != MISSING and (place, state) not in self._kept_writes
        return without_origin or windows.meet(action)

    def _may_meet_any(self, place: int, action: AnyAction, fits: Callable[[int], bool]) -> bool:
        states = self._windows.get(place, {})
        return any(windows.meet(action) for state, windows in states.items() if fits(state))

    def _loosened(self, count: Count, action: AnyAction) -> Count:
        missing = {p for p in self._windows if self._may_meet_any(p, action, lambda s: s == MISSING)}
        present = {p for p in self._windows if self._may_meet_any(p, action, lambda s: s != MISSING)}
        return count._replace(loose_if_present=frozenset(missing), loose_if_missing=frozenset(present))


class _Changes:
    """The operations that certainly changed one key, for the question when a state before them was gone."""

    def __init__(self, intervals: Iterable[tuple[int, float]]) -> None:
        by_call = sorted(intervals)
        self._calls = [call for call, _ in by_call]
        self._first_end = list(accumulate((end for _, end in reversed(by_call)), min))[::-1]

    def certain_after(self, time: float) -> float:
        """The first return of those that were called after `time`; PENDING if there is none."""
        place = bisect_right(self._calls, time)
        return self._first_end[place] if place < len(self._calls) else PENDING


def _changes(actions: Iterable[AnyAction]) -> dict[int, _Changes]:
    intervals: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for action in actions:
        for place, effect in _parts(action):
            if effect.post >= 0:
                intervals[place].append((action.call, action.return_))
    return {place: _Changes(found) for place, found in intervals.items()}


class _Windows:
    """Times (from, until, both included) in which a state may have been met."""

    def __init__(self, windows: list[tuple[int, float]]) -> None:
        windows.sort()
        self._starts = [start for start, _ in windows]
        self._latest_end = list(accumulate((end for _, end in windows), max))

    def meet(self, action: AnyAction) -> bool:
        started = bisect_right(self._starts, action.return_)
        return started > 0 and self._latest_end[started - 1] >= action.call
