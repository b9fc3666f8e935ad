"""The one question that the scheduler asks, and the schedule that its answers make.

The idea (Shuttle's): a scheduler is an oracle. It is told who runs and who could, and names who goes on; every
strategy, replay included, is one small class behind this interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Strategy(Protocol):
    """Decides a whole family of executions, one after the other."""

    def begin(self) -> bool:
        """Get ready for the next execution; False when there is none left to run."""

    def choose(self, current: int | None, enabled: Sequence[int]) -> int:
        """Who runs next, out of `enabled` (two or more thread numbers, ascending).

        `current` is the thread that ran last if it could go on, else None: choosing another one than `current`
        is a preemption.
        """


class NondeterministicTarget(Exception):
    """The same decisions led somewhere else: the code under test depends on more than its schedule."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One interleaving, as its differences from the plainest one.

    The plainest schedule lets a thread run until it ends or must wait, then goes on with the lowest number.
    `switches` holds (index of the decision, thread chosen) wherever the schedule did otherwise.
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
