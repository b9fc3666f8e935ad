"""Selective uniform random walk (Zhao et al., ASPLOS 2025).

The idea: what matters is in which order the threads reach a few interesting events, here the accesses to one shared
thing that is drawn for each execution. The thread that comes next to one is drawn as in a uniform random walk over
those events alone; the others go on at random, but stop before theirs. So each order of the interesting events
is as likely as any other, and nothing becomes impossible.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from types import FrameType
from typing import Any

from mapproof.stateful_tests.explorer.event_counts import EventCounts
from mapproof.stateful_tests.explorer.pending import pending
from mapproof.stateful_tests.explorer.strategy import Doing, Follower


class Surw(Follower):
    """Endless; the same seed gives the same executions. The first one only learns what there is to be drawn."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._counts: dict[str, EventCounts] = {}
        self._names: list[str] = []
        self._interesting: str | None = None
        self._intended: int | None = None
        self._last: int | None = None

    def begin(self) -> bool:
        for counts in self._counts.values():
            counts.begin()
        self._names = sorted(self._counts)
        self._interesting = self._random.choice(self._names) if self._names else None
        self._intended = self._last = None
        return True

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        """Counting is done when an event is chosen to happen."""

    def noted(self, thread: int, note: Any) -> None:
        """What else a step did is no event of its own."""

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        waiting = [thread for thread in enabled if self._is_interesting(doing[thread])]
        chosen = self._chosen(enabled, waiting, doing)
        if chosen in waiting:
            self._intended = None
        touched = pending(doing[chosen])
        if touched is not None:
            self._counts.setdefault(touched.name, EventCounts()).happened(chosen)
        self._last = chosen
        return chosen

    def _chosen(self, enabled: Sequence[int], waiting: list[int], doing: Doing) -> int:
        if len(enabled) == 1:
            return enabled[0]
        if self._intended not in doing:
            self._intended = self._drawn(doing)
        free = [thread for thread in enabled if thread not in waiting or thread == self._intended]
        if not free:  # the intended one cannot go on before another has
            self._intended = None
            free = waiting
        return free[int(self._random.random() * len(free))]

    def _drawn(self, doing: Doing) -> int | None:
        """Which thread comes next to an interesting event."""
        if self._interesting is None:
            return None
        counts = self._counts[self._interesting]
        counts.present(doing, self._last)
        threads = sorted(doing)
        return self._random.choices(threads, [counts.left(thread) for thread in threads])[0]

    def _is_interesting(self, doing: Any) -> bool:
        touched = pending(doing)
        return touched is not None and touched.name == self._interesting
