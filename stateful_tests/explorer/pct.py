"""Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).

The idea: threads have random priorities and the highest runs; at a few random moments the running thread drops
below all others. A bug that needs `depth` ordering constraints is hit with probability at least
1 / (n * k ** (depth - 1)) by each run, for n threads and k decisions. k is learned from the longest run so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from mapproof.stateful_tests.explorer.strategy import Doing, Strategy


class Pct(Strategy):
    """Endless; the same seed gives the same executions."""

    def __init__(self, seed: int, depth: int = 3) -> None:
        self._random = Random(seed)
        self._depth = depth
        self._longest = 8
        self._decision = 0
        self._priorities: dict[int, float] = {}
        self._drops: frozenset[int] = frozenset()
        self._lowest = 0.0

    def begin(self) -> bool:
        self._longest = max(self._longest, self._decision)
        self._decision = 0
        self._priorities = {}
        self._lowest = 0.0
        self._drops = frozenset(self._random.randrange(self._longest) for _ in range(self._depth - 1))
        return True

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        chosen = self._highest(enabled)
        if self._decision in self._drops:
            self._lowest -= 1.0
            self._priorities[chosen] = self._lowest
            chosen = self._highest(enabled)
        self._decision += 1
        return chosen

    def _highest(self, enabled: Sequence[int]) -> int:
        for thread in enabled:
            if thread not in self._priorities:
                self._priorities[thread] = self._random.random()
        return max(enabled, key=self._priorities.__getitem__)
