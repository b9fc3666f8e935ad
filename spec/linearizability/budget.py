"""The bounds of a check: how many configurations a search may create, and when it must stop.

The idea: work is reported as it is done, and the clock is read once in a few thousand units of it, so that a
limit holds to within a small fraction of a second and costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from threading import Timer
from time import perf_counter
from typing import Any

_UNITS_BETWEEN_LOOKS_AT_THE_CLOCK = 4096


class OutOfBounds(Exception):
    """A bound ran out; the text says which."""


class Budget:
    """What one search may use. `deadline` is a moment of `time.perf_counter`, infinity for none."""

    __slots__ = ("_deadline", "_given", "_left", "_units")

    def __init__(self, configurations: int, deadline: float) -> None:
        self._given = self._left = configurations
        self._deadline = deadline
        self._units = 0

    def renewed(self) -> Budget:
        """As many configurations again, until the same deadline."""
        return Budget(self._given, self._deadline)

    def at_most(self, configurations: int) -> Budget:
        """No more configurations than that, until the same deadline."""
        return Budget(min(configurations, self._left), self._deadline)

    def work(self, units: int) -> None:
        """Report steps done, each well under a microsecond or two. Raises OutOfBounds when time is up."""
        self._units += units
        if self._units >= _UNITS_BETWEEN_LOOKS_AT_THE_CLOCK:
            self._units = 0
            self.look_at_the_clock()

    def look_at_the_clock(self) -> None:
        """Raises OutOfBounds when time is up."""
        if perf_counter() > self._deadline:
            raise OutOfBounds("the time limit ran out")

    @property
    def configurations(self) -> int:
        """How many may still be created."""
        return self._left

    @contextmanager
    def stopping(self, flag: Any) -> Iterator[None]:
        """Sets flag[0] to 1 when time is up, for code that reads a flag but no clock (it must let threads run)."""
        if self._deadline == inf:
            yield
            return
        timer = Timer(max(0.0, self._deadline - perf_counter()), flag.__setitem__, (0, 1))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def create(self, configurations: int) -> None:
        """Report new configurations. Raises OutOfBounds when there are too many."""
        self._left -= configurations
        if self._left < 0:
            raise OutOfBounds(f"the bound of {self._given} configurations ran out")
