"""Uniform random walk (Zhao et al., ASPLOS 2025).

The idea: pick a thread with the probability that its remaining events are of all that remain. If the counts are right
and nobody must wait, each interleaving is then as likely as any other, which a plain random walk is far from.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from types import FrameType
from typing import Any

from mapproof.stateful_tests.explorer.event_counts import EventCounts
from mapproof.stateful_tests.explorer.strategy import Doing, Follower


class Urw(Follower):
    """Endless; the same seed gives the same executions."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._counts = EventCounts()
        self._last: int | None = None
        self._live = 0

    def begin(self) -> bool:
        self._counts.begin()
        self._last, self._live = None, 0
        return True

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        self._counts.happened(thread)

    def noted(self, thread: int, note: Any) -> None:
        """What else a step did is no event of its own."""

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        if len(doing) != self._live:
            self._live = len(doing)
            self._counts.present(doing, self._last)
        if len(enabled) == 1:
            self._last = enabled[0]
        else:
            (self._last,) = self._random.choices(enabled, [self._counts.left(thread) for thread in enabled])
        return self._last
