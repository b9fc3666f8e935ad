"""The one question that the scheduler asks, and the schedule that its answers make.

The idea (Shuttle's): a scheduler is an oracle. It is told who runs, who could and what each is about to do, and names
who goes on; every strategy, replay included, is one small class behind this interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, ClassVar

Doing = Mapping[int, Any]
"""What each live thread does next: a (target, Access) pair of a primitive, a (code, offset) place of traced code,
whatever else it stopped before, or None if it has not begun."""


class Strategy(ABC):
    """Decides a whole family of executions, one after the other."""

    def begin(self) -> bool:
        """Get ready for the next execution; False when there is none left to run."""
        return True

    @abstractmethod
    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        """Who runs next, out of `enabled` (thread numbers, ascending, two or more unless this is a Follower).

        `current` is the thread that ran last if it could go on, else None: choosing another one than `current`
        is a preemption. Raises Pruned if nothing new can follow, and NondeterministicTarget.
        """


class Follower(Strategy):
    """A strategy that sees every step: it is asked before each, with one thread enabled too.

    If it `sees_elsewhere`, the frame of each function that begins in a file where nothing stops is a note too.
    """

    sees_elsewhere: ClassVar[bool] = False

    @abstractmethod
    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        """The step of this thread is over: it stands at `frame`, before `doing` (both None if it has ended)."""

    @abstractmethod
    def noted(self, thread: int, note: Any) -> None:
        """The running step of this thread did something else that others may see, such as to end an operation."""


class Pruned(Exception):
    """Whatever follows is equal to what was run before: the execution may end here, and counts for nothing."""


class NondeterministicTarget(Exception):
    """The same decisions led somewhere else: the code under test depends on more than its schedule."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One interleaving, as its differences from the plainest one.

    The plainest schedule lets a thread run until it ends or must wait, then goes on with the lowest number.
    `switches` holds (index of the decision, thread chosen) wherever the schedule did otherwise. A decision is a step
    before which two or more threads could go on.
    """

    switches: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        return " ".join(f"{index}:{thread}" for index, thread in self.switches) or "-"

    @staticmethod
    def parse(text: str) -> Schedule:
        """Read what `str` wrote. Raises ValueError."""
        if text == "-":
            return Schedule()
        pairs = [part.split(":") for part in text.split()]
        if not all(len(pair) == 2 and pair[0].isdecimal() and pair[1].isdecimal() for pair in pairs):
            raise ValueError(f"a schedule reads like '12:2 16:1', not {text!r}")
        return Schedule(tuple((int(index), int(thread)) for index, thread in pairs))


def plainest(current: int | None, enabled: Sequence[int]) -> int:
    """What the plainest schedule chooses."""
    return enabled[0] if current is None else current
