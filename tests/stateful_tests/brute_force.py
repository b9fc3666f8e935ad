"""Every schedule of a small program, and the classes that they fall into: slow, and plain to see that it is right.

Nothing here comes from what it judges: the search is a depth-first one over the questions of the simulation, and which
steps commute is written once more, as the documentation says it (`dependence`). Two schedules are of one class if
their Foata normal forms are equal: each step as early as the steps that it depends on allow (Cartier and Foata, 1969).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import FrameType
from typing import Any

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.dependence import EVERYTHING, Footprint, Footprints, Note
from mapproof.stateful_tests.explorer.strategy import Doing, Follower


class Everything(Follower):
    """All schedules, in lexical order."""

    def __init__(self) -> None:
        self._path: list[tuple[tuple[int, ...], int]] = []
        self._begun = False
        self._depth = 0

    def begin(self) -> bool:
        if self._begun:
            while self._path and self._path[-1][1] + 1 == len(self._path[-1][0]):
                self._path.pop()
            if not self._path:
                return False
            enabled, taken = self._path.pop()
            self._path.append((enabled, taken + 1))
        self._begun = True
        self._depth = 0
        return True

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        if self._depth == len(self._path):
            self._path.append((tuple(enabled), 0))
        options, taken = self._path[self._depth]
        assert options == tuple(enabled)
        self._depth += 1
        return options[taken]

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        pass

    def noted(self, thread: int, note: Any) -> None:
        pass


class Written(Follower):
    """Another strategy, whose executions are written down: of each step the thread, what it was about to do, and its
    footprint."""

    sees_elsewhere = True

    def __init__(self, strategy: Follower, files: frozenset[str] = frozenset()) -> None:
        self.strategy = strategy
        self.steps: list[tuple[int, Any, Footprint]] = []
        self._files = files
        self._footprints = Footprints()
        self._running: tuple[int, Any] = (0, None)

    def begin(self) -> bool:
        self.steps = []
        self._footprints = Footprints(self._files)
        return self.strategy.begin()

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        chosen = self.strategy.choose(current, enabled, doing)
        self._running = (chosen, doing[chosen])
        return chosen

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        self.strategy.stopped(thread, doing, frame)
        self.steps.append((*self._running, self._footprints.stopped(thread, doing, frame)))

    def noted(self, thread: int, note: Any) -> None:
        self.strategy.noted(thread, note)
        self._footprints.noted(note)

    def normal_form(self) -> tuple[tuple[int, int, int], ...]:
        """That of the last execution."""
        if self._files:
            return normal_form(
                [(thread, footprint) for thread, _, footprint in self.steps], footprints_commute
            )
        return normal_form([(thread, did) for thread, did, _ in self.steps], accesses_commute)


def normal_form(
    steps: Sequence[tuple[int, Any]], commute: Callable[[Any, Any], bool]
) -> tuple[tuple[int, int, int], ...]:
    """The Foata normal form: each step as (its level, its thread, its place in the thread)."""
    levels: list[int] = []
    counts: dict[int, int] = {}
    form = []
    for at, (thread, did) in enumerate(steps):
        below = [levels[k] for k in range(at) if steps[k][0] == thread or not commute(steps[k][1], did)]
        levels.append(1 + max(below, default=0))
        counts[thread] = counts.get(thread, 0) + 1
        form.append((levels[at], thread, counts[thread]))
    return tuple(sorted(form))


def accesses_commute(one: Any, other: Any) -> bool:
    """Whether two steps of different threads may change places, where only primitives are shared."""
    if not (_is_access(one) and _is_access(other)):
        return True
    (target, access), (other_target, other_access) = one, other
    if target is not other_target:
        return True
    return access == other_access and access in (Access.LOAD, Access.READ, Access.RELEASE)


def _is_access(did: Any) -> bool:
    return isinstance(did, tuple) and isinstance(did[1], Access)


_CLASH = [
    (int(one), int(other))
    for one, other in (
        (Note.CALLED, Note.RETURNED),
        (Note.ENDED, Note.IN_BACKGROUND),
        (Note.STARTED, Note.STARTED),
        (Note.LOOKED_UP, Note.CHANGED_UNSEEN),
        (Note.LOOKED_IN, Note.CHANGED_CONTENTS),
    )
]


@lru_cache(maxsize=10_000)
def footprints_commute(one: Footprint, other: Footprint) -> bool:
    """The same, by what they touched."""
    for a, b in _CLASH:
        if (one.notes & a and other.notes & b) or (one.notes & b and other.notes & a):
            return False
    if None in (one.place, other.place):
        return True
    if EVERYTHING in (one.place, other.place) or (one.place == other.place and one.manner is None):
        return False
    return one.place != other.place or one.manner == other.manner
