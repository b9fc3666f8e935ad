"""Random walk: a uniform choice among the enabled threads at every step.

No bound worth the name, yet hard to beat on small programs (Thomson et al., TOPC 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from mapproof.stateful_tests.explorer.strategy import Doing, Strategy


class RandomWalk(Strategy):
    """Endless; the same seed gives the same executions."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        return enabled[int(self._random.random() * len(enabled))]
