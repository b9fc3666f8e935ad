"""Finds moments for the operations that touch many keys at once: one walk over the calls and returns.

The idea: with the moments given, what may be true of the map is a product: a frontier for each key (`frontier`),
and no key knows of another. A *branch* is a choice of moments so far, with the frontiers that it leads to; it ends
when one of them is empty, and branches that come to agree are one.

A moment is tried as late as it can be: just before a return that may force something to change, for until then a
moment passed over can be made up for. And one that only reads is taken at once where nothing changes by it. An
atomic `range` or `clear` leaves one state of each key, so that branches soon agree: what was uncertain before a
snapshot is settled by it, and a long history costs no more than its parts.

A `len` says how many keys are present. Where a key may be either, there is a branch for each choice that adds
up. A `len` that is atomic per shard takes one moment a shard, and only the sum over them is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeAlias

from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import MISSING, NO_EFFECT, Count, Effect, MapEffect
from mapproof.spec.linearizability.frontier import START, Frontier, Key
from mapproof.spec.linearizability.search import PENDING, Action, Stuck

PRESENT = Effect(unless=MISSING)
ABSENT = Effect(wanted=MISSING)


class Moment(NamedTuple):
    """The action in `place` takes effect just before the event, after earlier moments there.

    `effects`: (place of the key, effect) pairs, those of a count included.
    """

    place: int
    event: int
    effects: tuple[tuple[int, Effect], ...]


@dataclass(frozen=True, slots=True)
class Events:
    """The calls and returns of actions in time order: (returns, place), a call before a return at the same time.

    `calls` and `ends`: by place, the number of the event; PENDING for a return that never was. `on_one_key`: by
    place, the key and what the action is to it, for those that touch one key alone; `shared`: all others.
    """

    actions: Sequence[Action[MapEffect]]
    order: list[tuple[bool, int]]
    calls: list[int]
    ends: list[float]
    on_one_key: dict[int, tuple[int, Action[Effect]]]
    shared: dict[int, Action[MapEffect]]

    @staticmethod
    def of(actions: Sequence[Action[MapEffect]], budget: Budget) -> Events:
        times: list[tuple[float, bool, int]] = []
        for place, action in enumerate(actions):
            times += [(action.call, False, place), (action.return_, True, place)]
        budget.work(4 * len(times))
        times.sort()
        order = [(returns, place) for time, returns, place in times if time != PENDING]
        calls, ends = [0] * len(actions), [PENDING] * len(actions)
        for number, (returns, place) in enumerate(order):
            if returns:
                ends[place] = number
            else:
                calls[place] = number
        on_one_key = {
            place: (action.effect.parts[0][0], action._replace(effect=action.effect.parts[0][1]))  # type: ignore[arg-type]
            for place, action in enumerate(actions)
            if len(action.effect.parts) == 1 and action.effect.length is None
        }
        shared = {place: action for place, action in enumerate(actions) if place not in on_one_key}
        return Events(actions, order, calls, ends, on_one_key, shared)  # type: ignore[arg-type]


def find_moments(events: Events, keys: int, budget: Budget) -> list[Moment] | Stuck:
    """Moments, in order, that explain the actions on that many keys, or the action that cannot return.

    Raises OutOfBounds. What is left to choose once the moments are given is left to whoever decides a key.
    """
    return _Walk(events, keys, budget).run()


_Trail: TypeAlias = tuple["_Trail", Moment] | None


class _Branch:
    """A choice of moments so far. `applied`: places of the running shared actions in effect; `left`: source of a
    count that is taken in pieces -> (keys still to be met, keys of the pieces still to come)."""

    __slots__ = ("applied", "frontiers", "left", "trail")

    def __init__(
        self,
        applied: frozenset[int],
        left: dict[int, tuple[int, int]],
        frontiers: list[Frontier],
        trail: _Trail,
    ) -> None:
        self.applied = applied
        self.left = left
        self.frontiers = frontiers
        self.trail = trail


def _counted(events: Events, keys: int) -> dict[int, Sequence[int]]:
    """By place of an action that counts: the keys that it counts."""
    return {
        place: range(keys) if action.effect.length.places is None else action.effect.length.places
        for place, action in events.shared.items()
        if action.effect.length is not None
    }


class _Walk:
    """The walk over the events: the branches alive, and the running actions."""

    def __init__(self, events: Events, keys: int, budget: Budget) -> None:
        self._events = events
        self._budget = budget
        self._keys = [Key(budget) for _ in range(keys)]
        self._busy: Counter[int] = Counter()
        self._shared: dict[int, Action[MapEffect]] = {}
        self._parts = {place: dict(action.effect.parts) for place, action in events.shared.items()}
        self._counted = _counted(events, keys)
        self._touched = {
            place: frozenset(self._counted.get(place, parts)) for place, parts in self._parts.items()
        }
        self._total: Counter[int] = Counter()
        for place, counted in self._counted.items():
            self._total[events.actions[place].source] += len(counted)
        self._branches = [_Branch(frozenset(), {}, [START] * keys, None)]
        self._now = 0

    def run(self) -> list[Moment] | Stuck:
        for number, (returns, place) in enumerate(self._events.order):
            self._now = number
            self._budget.work(1 + len(self._branches))
            if place in self._parts:
                if returns:
                    self._return_shared(place)
                else:
                    self._shared[place] = self._events.actions[place]
            else:
                self._move_key(place, *self._events.on_one_key[place], returns)
            if not self._branches:
                return Stuck(place)
            if len(self._branches) > 1:
                self._branches = _distinct(self._branches)
        return _moments(self._branches[0].trail)

    def _move_key(self, place: int, on: int, action: Action[Effect], returns: bool) -> None:
        """A call or a return on one key; a return may force something, so shared moments come before it."""
        key = self._keys[on]
        if returns and self._shared:
            settled = [branch for branch in self._branches if key.settled(place, branch.frontiers[on])]
            open_ = [branch for branch in self._branches if not key.settled(place, branch.frontiers[on])]
            self._branches = settled + self._with_moments(open_, self._bound_to([], frozenset({on})))
        frontiers = {branch.frontiers[on] for branch in self._branches}
        moved = key.return_(place, frontiers) if returns else key.call(place, action, frontiers)
        self._busy[on] += -1 if returns else 1
        if not self._busy[on]:
            del self._busy[on]
        for branch in self._branches:
            branch.frontiers[on] = moved[branch.frontiers[on]]
        self._branches = [branch for branch in self._branches if branch.frontiers[on]]

    def _return_shared(self, place: int) -> None:
        optional = self._shared[place].optional
        done = [branch for branch in self._branches if place in branch.applied]
        waiting = [branch for branch in self._branches if place not in branch.applied]
        tried = self._with_moments(waiting, self._bound_to([place], self._touched[place]), place)
        reached = [branch for branch in tried if place in branch.applied]
        self._branches = done + reached + (waiting if optional else [])
        del self._shared[place]
        for branch in self._branches:
            branch.applied -= {place}

    def _bound_to(self, bound: list[int], keys: frozenset[int]) -> list[int]:
        """Those shared actions, and the running ones that touch these keys or keys that another of them touches.

        All others can wait: they commute with what happens to these keys.
        """
        while len(bound) < len(self._shared):
            new = [p for p in self._shared if p not in bound and not self._touched[p].isdisjoint(keys)]
            if not new:
                break
            bound = bound + new
            keys = keys.union(*(self._touched[place] for place in new))
        return bound

    def _with_moments(
        self, branches: list[_Branch], bound: Sequence[int], goal: int | None = None
    ) -> list[_Branch]:
        """The branches and all that arise when those shared actions take effect now, up to the goal if any."""
        found: list[_Branch] = []
        open_ = branches
        while open_:
            arisen: list[_Branch] = []
            for branch in open_:
                if goal in branch.applied:
                    found.append(branch)
                    continue
                children = list(self._children(branch, bound))
                free = next(
                    (child for place, child in children if self._costs_nothing(place, branch, child)), None
                )
                if free is None:
                    found.append(branch)
                    arisen += [child for _, child in children]
                else:
                    arisen.append(free)
            open_ = _distinct(arisen)
        return _distinct(found)

    def _children(self, branch: _Branch, bound: Sequence[int]) -> Iterator[tuple[int, _Branch]]:
        """What a branch becomes when one more of those actions, the one in that place, takes effect."""
        for place in bound:
            if place not in branch.applied:
                counts = self._shared[place].effect.length
                found = self._counting(branch, place, counts) if counts else self._acting(branch, place)
                for child in found:
                    self._budget.create(1)
                    yield place, child

    def _costs_nothing(self, place: int, branch: _Branch, child: _Branch) -> bool:
        """Whether an action only read what was certain: then a later moment is no better."""
        return self._shared[place].reads and child.left == branch.left and child.frontiers == branch.frontiers

    def _acting(self, branch: _Branch, place: int) -> Iterator[_Branch]:
        """The branch after a `range` or `clear`, if it is possible. The keys in motion are asked first."""
        parts = self._parts[place]
        self._budget.work(len(self._busy))
        for on in self._busy:
            if on in parts and not self._keys[on].at_moment(branch.frontiers[on], parts[on]):
                return
        self._budget.work(2 * len(parts))
        frontiers = branch.frontiers.copy()
        for on, effect in parts.items():
            frontier = frontiers[on] = self._keys[on].at_moment(frontiers[on], effect)
            if not frontier:
                return
        yield self._child(branch, place, frontiers, tuple(parts.items()), branch.left)

    def _counting(self, branch: _Branch, place: int, count: Count) -> Iterator[_Branch]:
        """The branches in which the keys that a `len` (or one moment of it) met add up."""
        source = self._events.actions[place].source
        counted = self._counted[place]
        wanted, coming = branch.left.get(source) or (count.keys, self._total[source])
        coming -= len(counted)
        self._budget.work(2 * len(counted))
        present, certain, open_ = 0, [], []
        for on in counted:
            options = self._options(on, branch.frontiers[on], count)
            if len(options) == 2:
                open_.append((on, options))
            elif not options:
                return
            else:
                met, effect, frontier = options[0]
                present += met
                if effect != NO_EFFECT:
                    certain.append((on, effect, frontier))
        for more in range(max(0, wanted - coming - present), min(len(open_), wanted - present) + 1):
            left = {**branch.left, source: (wanted - present - more, coming)}
            if not coming:
                del left[source]
            for chosen in combinations(range(len(open_)), more):
                self._budget.work(2 * len(open_) + len(counted))
                taken = [(on, *options[number in chosen][1:]) for number, (on, options) in enumerate(open_)]
                yield self._chosen(branch, place, certain + taken, left)

    def _options(self, on: int, frontier: Frontier, count: Count) -> list[tuple[bool, Effect, Frontier]]:
        """(met, effect, frontier after it) for a key that was not met by a count, and for one that was."""
        loose = on in count.loose_if_present, on in count.loose_if_missing
        if on not in self._busy and len(frontier) == 1 and not any(loose):
            ((state, _, _),) = frontier
            return [(state != MISSING, NO_EFFECT, frontier)]
        found = []
        for met, effect in ((False, ABSENT), (True, PRESENT)):
            if loose[met]:
                found.append((met, NO_EFFECT, frontier))
            elif after := self._keys[on].at_moment(frontier, effect):
                found.append((met, effect, after))
        return found

    def _chosen(
        self,
        branch: _Branch,
        place: int,
        taken: Sequence[tuple[int, Effect, Frontier]],
        left: dict[int, tuple[int, int]],
    ) -> _Branch:
        frontiers = branch.frontiers.copy()
        for on, _, frontier in taken:
            frontiers[on] = frontier
        return self._child(branch, place, frontiers, tuple((on, effect) for on, effect, _ in taken), left)

    def _child(
        self,
        branch: _Branch,
        place: int,
        frontiers: list[Frontier],
        effects: tuple[tuple[int, Effect], ...],
        left: dict[int, tuple[int, int]],
    ) -> _Branch:
        moment = Moment(place, self._now, effects)
        return _Branch(branch.applied | {place}, left, frontiers, (branch.trail, moment))


def _distinct(branches: Iterable[_Branch]) -> list[_Branch]:
    """One branch of those that agree on everything that is to come."""
    return list(
        {
            (branch.applied, tuple(branch.left.items()), tuple(branch.frontiers)): branch
            for branch in branches
        }.values()
    )


def _moments(trail: _Trail) -> list[Moment]:
    found = []
    while trail is not None:
        trail, moment = trail
        found.append(moment)
    found.reverse()
    return found
