"""What may be true of one key at a moment, as a set that calls, returns and shared moments move on.

The idea: a possibility is the state of the key, which of the running actions are in effect, and which might be
without a trace. A frontier is the set of those that may be the truth, and nothing takes effect in it before it
must (just-in-time linearization, as in `search`). An action that takes effect at one known moment is one that is
called and returns there.

Traceless: a blind write (one that asks nothing of the state) may be put just before any blind write that took
effect while it ran, and is then seen by nobody. So it need not be tried at all, unless something that runs wants
what it leaves; all the stores that no one reads cost nothing (Lowe's search doubles its configurations with each).
A possibility with more that may be traceless can do all that one with less can, so only the best are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import MISSING, Effect, register_step
from mapproof.spec.linearizability.search import Action

Possibility = tuple[int, int, int]
"""(state, bits of the running actions in effect, bits of those that may be so without a trace)."""

Frontier = frozenset[Possibility]

START: Frontier = frozenset({(MISSING, 0, 0)})
"""Before anything was called: the key is missing."""

_MOST_COMPARED = 64


class _Running(NamedTuple):
    bit: int
    effect: Effect
    reads: bool
    optional: bool
    repeatable: bool

    @property
    def blind(self) -> bool:
        return self.effect.wanted < 0 and self.effect.unless < 0 and self.effect.post >= 0

    @property
    def free(self) -> bool:
        """It takes nothing away where the state stays as it is, so it takes effect there at once."""
        return self.reads or self.repeatable


class Key:
    """The running actions of one key, and how they move a frontier. Every frontier of the key shares them."""

    __slots__ = ("_at_moments", "_budget", "_running")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._running: dict[int, _Running] = {}
        self._at_moments: dict[tuple[Frontier, Effect], Frontier] = {}

    def call(
        self, place: int, action: Action[Effect], frontiers: Iterable[Frontier]
    ) -> dict[Frontier, Frontier]:
        """The action of that place is called: what each frontier becomes."""
        taken = sum(running.bit for running in self._running.values())
        bit = ~taken & (taken + 1)
        running = _Running(bit, action.effect, action.reads, action.optional, action.repeatable)
        self._running[place] = running
        self._at_moments.clear()
        return {frontier: _called(frontier, running) for frontier in frontiers}

    def settled(self, place: int, frontier: Frontier) -> bool:
        """Whether the return of that action changes nothing but that it is over."""
        running = self._running[place]
        return not running.repeatable and all(done & running.bit for _, done, _ in frontier)

    def return_(self, place: int, frontiers: Iterable[Frontier]) -> dict[Frontier, Frontier]:
        """The action of that place returns: what each frontier becomes, the empty one if it cannot be."""
        found = {frontier: self._returned(frontier, self._running[place]) for frontier in frontiers}
        del self._running[place]
        self._at_moments.clear()
        return found

    def at_moment(self, frontier: Frontier, effect: Effect) -> Frontier:
        """What the frontier becomes if that effect takes place now; the empty one if it cannot."""
        asked = frontier, effect
        found = self._at_moments.get(asked)
        if found is None:
            taken = sum(running.bit for running in self._running.values())
            instant = _Running(~taken & (taken + 1), effect, effect.post < 0, False, False)
            found = self._at_moments[asked] = self._returned(_called(frontier, instant), instant)
        return found

    def _returned(self, frontier: Frontier, returning: _Running) -> Frontier:
        bit = returning.bit
        settled: dict[tuple[int, int], int] = {}
        open_: list[tuple[int, int, int, bool]] = []
        for state, done, hidden in frontier:
            if done & bit or hidden & bit or returning.optional:
                _add(settled, state, done & ~bit, hidden & ~bit)
            if returning.repeatable or not done & bit:
                open_.append((state, done, hidden, False))
        if open_:
            self._explore(open_, returning, settled)
        return _best(settled)

    def _explore(
        self,
        open_: list[tuple[int, int, int, bool]],
        returning: _Running,
        settled: dict[tuple[int, int], int],
    ) -> None:
        """Let running writers take effect, one after the other, until the returning action has."""
        bit = returning.bit
        writers = [running for running in self._running.values() if not running.reads]
        free = [running for running in self._running.values() if running.free]
        traceless = sum(writer.bit for writer in writers if writer.blind and not writer.optional)
        if all(running.bit != bit for running in self._running.values()):
            (free if returning.reads else writers).append(returning)
        seen = set(open_)
        while open_:
            state, done, hidden, unseen = open_.pop()
            for writer in writers:
                if (done & writer.bit and not writer.repeatable) or (unseen and writer.blind):
                    continue
                after = register_step(state, writer.effect)
                if after is None:
                    continue
                reached = _with_free(after, done | writer.bit, free)
                hides = (hidden | traceless if writer.blind else hidden) & ~reached
                if after == state and hides == hidden and (writer.optional or reached == done):
                    continue
                if writer.bit == bit or (reached & bit and register_step(after, returning.effect) == after):
                    _add(settled, after, reached & ~bit, hides & ~bit)
                    if not returning.repeatable:
                        continue
                useless = writer.blind and reached == done | writer.bit
                found = after, reached, hides, useless
                if found not in seen:
                    seen.add(found)
                    open_.append(found)
            self._budget.work(2 * len(writers))
        self._budget.create(len(seen))


def _called(frontier: Frontier, running: _Running) -> Frontier:
    if not running.free:
        return frontier
    return frozenset(
        (state, done | running.bit, hidden)
        if register_step(state, running.effect) == state
        else (state, done, hidden)
        for state, done, hidden in frontier
    )


def _with_free(state: int, done: int, free: list[_Running]) -> int:
    for running in free:
        if not done & running.bit and register_step(state, running.effect) == state:
            done |= running.bit
    return done


def _add(settled: dict[tuple[int, int], int], state: int, done: int, hidden: int) -> None:
    """Of two that differ in what may be traceless alone, one has it all: it wrote blindly later."""
    settled[state, done] = settled.get((state, done), 0) | hidden


def _best(settled: dict[tuple[int, int], int]) -> Frontier:
    found = [(state, done, hidden) for (state, done), hidden in settled.items()]
    if not 1 < len(found) <= _MOST_COMPARED:
        return frozenset(found)
    return frozenset(
        one for one in found if not any(_better(other, one) for other in found if other is not one)
    )


def _better(one: Possibility, other: Possibility) -> bool:
    """Whether `other` is `one` with something settled that is traceless there."""
    state, done, hidden = one
    settled, less = other[1], other[2]
    return state == other[0] and done & ~settled == 0 and (settled & ~done | less) & ~hidden == 0
