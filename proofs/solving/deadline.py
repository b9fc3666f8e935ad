"""The time that is left: one budget that every part of a long job draws from."""

from __future__ import annotations

import time


class Deadline:
    """The time that is left of a number of seconds, from now on."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; 0 when there are none."""
        return max(0.0, self._end - time.monotonic())
