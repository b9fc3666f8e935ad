"""Partial order sampling (Yuan, Yang and Gu, CAV 2018).

The idea: priorities belong to pending events, not to threads. The enabled event with the highest priority runs, and
then the events that race with it draw anew, so that each order of racing events has its fair chance whatever else
the threads do between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from mapproof.stateful_tests.explorer.pending import pending
from mapproof.stateful_tests.explorer.strategy import Doing, Strategy


class Pos(Strategy):
    """Endless; the same seed gives the same executions."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._priorities: dict[int, float] = {}

    def begin(self) -> bool:
        self._priorities = {}
        return True

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        priorities = self._priorities
        for thread in enabled:
            if thread not in priorities:
                priorities[thread] = self._random.random()
        chosen = max(enabled, key=priorities.__getitem__)
        del priorities[chosen]
        touched = pending(doing[chosen])
        if touched is not None:
            for thread in enabled:
                other = None if thread == chosen else pending(doing[thread])
                if other is not None and touched.may_race(other):
                    priorities.pop(thread, None)
        return chosen
