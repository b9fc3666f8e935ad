"""A simulated thread: a greenlet that is given one task after the other, and the pool where it waits between them.

The idea: a greenlet that was started inside a trace callback must never end (see `opcode_events`), so a thread
outlives its task. It parks, and the next execution takes it from the pool of its kind of instrument.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from contextvars import Context
from typing import Protocol

from greenlet import greenlet

from mapproof.stateful_tests.explorer.instrument import Instrument

Ready = Callable[[], bool]


class Abort(BaseException):
    """Unwinds a simulated thread whose execution was given up."""


class Scheduler(Protocol):
    """What a thread asks of the simulation that it runs in."""

    instrument: Instrument

    @property
    def unwinding(self) -> bool:
        """Whether what its tasks do now means nothing."""

    def failed(self, error: BaseException | None) -> None:
        """The task of the running thread raised this, or was unwound (None)."""

    def leave(self) -> None:
        """The task of the running thread has ended; when this returns, the thread has been given another."""


class SimulatedThread:
    """`number` is its name. `ready` says whether it can go on, if it waits; `deadline` when a timed wait gives up,
    and `timer` that it may do so earlier; `turn` when it was last switched to."""

    __slots__ = (
        "deadline",
        "greenlet",
        "number",
        "ready",
        "running",
        "scheduler",
        "started",
        "task",
        "timer",
        "turn",
    )

    def __init__(self) -> None:
        self.greenlet = greenlet(self._loop)
        self.started = False
        self.running = False

    def give(self, scheduler: Scheduler, number: int, task: Callable[[], None]) -> None:
        """What to run when it is switched to."""
        self.scheduler = scheduler
        self.number = number
        self.task = task
        self.running = False
        self.ready: Ready | None = None
        self.deadline: float | None = None
        self.timer = False
        self.turn = 0
        self.greenlet.gr_context = Context()  # as a new thread has

    def switch(self) -> None:
        """Let it run, from within the instrument."""
        if self.started:
            self.greenlet.switch()
        else:
            self.started = True
            self.scheduler.instrument.start(self.greenlet)

    def _loop(self) -> None:
        self.scheduler.instrument.prepare()
        while True:
            self.running = True
            scheduler = self.scheduler
            try:
                self.task()
            except Abort:
                scheduler.failed(None)
            except BaseException as error:  # noqa: BLE001 - handed to the caller of run()
                scheduler.failed(error)
            else:
                if scheduler.unwinding:
                    scheduler.failed(None)
            self.running = False
            scheduler.instrument.enter(scheduler.leave)


def _nothing() -> None:
    """The task of a thread that has none."""


class Pool(threading.local):
    """Parked threads of this OS thread, kept for ever and shared by the simulations of one kind of instrument:
    where a thread parked is where it must be resumed, inside a trace callback or outside of one."""

    def __init__(self) -> None:
        self._parked: defaultdict[type, list[SimulatedThread]] = defaultdict(list)

    def take(self, scheduler: Scheduler, number: int, task: Callable[[], None]) -> SimulatedThread:
        """A thread that is given this task."""
        parked = self._parked[type(scheduler.instrument)]
        thread = parked.pop() if parked else SimulatedThread()
        thread.give(scheduler, number, task)
        return thread

    def park(self, thread: SimulatedThread) -> None:
        """Keep a thread whose task has ended, or has never begun."""
        thread.task = _nothing  # the last one may keep what it worked on alive, into another execution
        self._parked[type(thread.scheduler.instrument)].append(thread)
