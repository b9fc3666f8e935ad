"""Every schedule of a small program, and the classes that they fall into: slow, and plain to see that it is right.

Nothing here comes from what it judges: the search is a depth-first one over the questions of the simulation, and
the dependence is written once more, as the documentation says it. Two schedules are of one class if their Foata normal
forms are equal: each step as early as the steps that it depends on allow (Cartier and Foata, 1969).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import Any

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.strategy import Doing, Follower

Step = tuple[int, Any]
"""A thread, and what it did: an (object, Access) pair, or something else."""


class Everything(Follower):
    """All schedules, in lexical order. `trace` holds the steps of the running one; `truncated` what was cut off."""

    def __init__(self) -> None:
        self._path: list[tuple[tuple[int, ...], int]] = []
        self._begun = False
        self.trace: list[Step] = []
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
        self.trace = []
        self._depth = 0
        return True

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        if self._depth == len(self._path):
            self._path.append((tuple(enabled), 0))
        options, taken = self._path[self._depth]
        assert options == tuple(enabled)
        self._depth += 1
        self.trace.append((options[taken], doing[options[taken]]))
        return options[taken]

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        pass

    def noted(self, thread: int, note: Any) -> None:
        pass


class Traced(Follower):
    """Writes down the steps of another strategy's executions as `Everything` does."""

    def __init__(self, strategy: Follower) -> None:
        self._strategy = strategy
        self.trace: list[Step] = []

    def begin(self) -> bool:
        self.trace = []
        return self._strategy.begin()

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        chosen = self._strategy.choose(current, enabled, doing)
        self.trace.append((chosen, doing[chosen]))
        return chosen

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        self._strategy.stopped(thread, doing, frame)

    def noted(self, thread: int, note: Any) -> None:
        self._strategy.noted(thread, note)


def normal_form(trace: Sequence[Step]) -> tuple[tuple[int, int, int], ...]:
    """The Foata normal form: each step as (its level, its thread, its place in the thread)."""
    levels: list[int] = []
    counts: dict[int, int] = {}
    form = []
    for at, (thread, did) in enumerate(trace):
        below = [levels[k] for k in range(at) if trace[k][0] == thread or not commute(trace[k][1], did)]
        levels.append(1 + max(below, default=0))
        counts[thread] = counts.get(thread, 0) + 1
        form.append((levels[at], thread, counts[thread]))
    return tuple(sorted(form))


def commute(one: Any, other: Any) -> bool:
    """Whether two steps of different threads may change places."""
    if not (is_access(one) and is_access(other)):
        return True
    (target, access), (other_target, other_access) = one, other
    if target is not other_target:
        return True
    return access == other_access and access in (Access.LOAD, Access.READ, Access.RELEASE)


def is_access(did: Any) -> bool:
    return isinstance(did, tuple) and isinstance(did[1], Access)
