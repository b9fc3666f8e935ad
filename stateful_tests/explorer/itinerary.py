"""A schedule told by where each thread hands over to the next, so that it can be followed in code that has changed.

The idea: an execution is a sequence of legs: this thread runs until it comes by that position for the nth time in
the leg, then that thread. A leg that ends because its thread ended or must wait needs no position. `Recorder` writes
legs down while another strategy decides; `Retrace` follows them, and counts the ones that it had to leave early or late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from mapproof.stateful_tests.explorer.positions import position_of
from mapproof.stateful_tests.explorer.strategy import Doing, Follower, Strategy, plainest


@dataclass(frozen=True, slots=True)
class Leg:
    """`thread` runs until it stands at `position` for the `nth` time since the leg began; with an empty position,
    until it ends or must wait."""

    thread: int
    position: str = ""
    nth: int = 0


Itinerary = tuple[Leg, ...]


class _Visits:
    """How often the thread of a leg came by each position."""

    def __init__(self) -> None:
        self._thread: int | None = None
        self._counts: Counter[str] = Counter()

    def begin(self, thread: int | None) -> None:
        """A leg of that thread begins."""
        self._thread = thread
        self._counts.clear()

    def came_by(self, thread: int, doing: Any) -> None:
        """The thread stands before `doing`."""
        if thread == self._thread:
            self._counts[position_of(doing)] += 1

    def of(self, position: str) -> int:
        """How often it came by there."""
        return self._counts[position]


class Recorder(Follower):
    """Lets another strategy decide one execution, and keeps its `legs`."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._legs: list[Leg] = []
        self._visits = _Visits()
        self._thread: int | None = None

    @property
    def itinerary(self) -> Itinerary:
        """The legs of the execution so far, the last one to its end."""
        last = () if self._thread is None else (Leg(self._thread),)
        return (*self._legs, *last)

    def begin(self) -> bool:
        self._legs = []
        self._thread = None
        return self._strategy.begin()

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        self._visits.came_by(thread, doing)

    def noted(self, thread: int, note: Any) -> None:
        """A position is all that counts."""

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        chosen = enabled[0] if len(enabled) == 1 else self._strategy.choose(current, enabled, doing)
        if chosen != self._thread:
            if self._thread is not None:
                self._legs.append(self._ended(self._thread, current, doing))
            self._thread = chosen
            self._visits.begin(chosen)
        return chosen

    def _ended(self, thread: int, current: int | None, doing: Doing) -> Leg:
        if current is None:
            return Leg(thread)
        position = position_of(doing[thread])
        return Leg(thread, position, self._visits.of(position))


class Retrace(Follower):
    """Follows an itinerary once. `missed` counts the legs whose end it did not come by, or that could not begin;
    `lost` is the position at the end of the first of them, None if there is none."""

    def __init__(self, itinerary: Itinerary) -> None:
        self._itinerary = itinerary
        self._left: list[Leg] = []
        self._visits = _Visits()
        self._begun = False
        self.missed = 0
        self.lost: str | None = None

    def begin(self) -> bool:
        first, self._begun = not self._begun, True
        self._left = list(reversed(self._itinerary))
        self._start()
        return first

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        self._visits.came_by(thread, doing)

    def noted(self, thread: int, note: Any) -> None:
        """A position is all that counts."""

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        while self._left:
            leg = self._left[-1]
            arrived = bool(leg.position) and self._visits.of(leg.position) >= leg.nth
            if not arrived and leg.thread in enabled:
                return leg.thread
            if leg.position and not arrived:
                self._miss(leg)
            self._left.pop()
            self._start()
        return plainest(current, enabled)

    def _miss(self, leg: Leg) -> None:
        self.missed += 1
        if self.lost is None:
            self.lost = leg.position

    def _start(self) -> None:
        self._visits.begin(self._left[-1].thread if self._left else None)
