"""How an execution of simulated threads ended, and where its threads stand: the values that a simulation answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import FrameType
from typing import Any

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.strategy import Schedule


class Outcome(Enum):
    FINISHED = "every thread ended"
    DEADLOCK = "no thread can go on"
    ENDLESS = "the step bound was reached although every thread got its turns"
    STOPPED = "a watcher had seen enough"
    PRUNED = "the strategy knew what follows"


@dataclass(frozen=True, slots=True)
class Wait:
    """What keeps one thread of a deadlock from going on, and which thread holds it (where that is known)."""

    thread: int
    target: str
    access: Access
    holder: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a thread stands: what it is about to do (None before it begins), its innermost frame (None for the
    running thread), and what it waits for, if it cannot go on."""

    doing: Any
    frame: FrameType | None
    waits: Wait | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an execution went: its schedule replays it. `given_way` counts the turns that fairness took from the
    strategy, `timeouts` the waits that gave up: of such runs not every order was open to the strategy. `spins` says of an
    ENDLESS one which threads could go on, and at which position each stood (see `positions`)."""

    outcome: Outcome
    waits: tuple[Wait, ...]
    schedule: Schedule
    steps: int
    decisions: int
    given_way: int = 0
    timeouts: int = 0
    spins: tuple[tuple[int, str], ...] = ()
