"""The clocks and `time.sleep` of the code under test: they stand still while it works.

The idea: a simulated thread sees a clock that only waiting moves on, so that two runs of one schedule are equal.
A sleep takes its whole time; who sleeps may wake while the others are still at work, as in a process whose threads
are slow. Everyone else sees the real clocks: the kit, Hypothesis, and whoever runs outside of a simulation.
`datetime.now` asks the system from C and cannot be replaced in this way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.cooperative_threading import real
from mapproof.stateful_tests.explorer.simulation import FIRST_SPAWNED, Simulation, active

EPOCH = 1_700_000_000
"""What `time.time` says when an execution begins (2023-11-14), in seconds."""

UPTIME = 1_000
"""What the other clocks say then: not 0, which programs like to take for "never"."""


class _Clock:
    """What a sleeping thread waits for."""

    name = "the clock"
    synchronizes = False


CLOCK = _Clock()


def _never() -> bool:
    return False


def sleep(seconds: float) -> None:
    """`time.sleep`: lets the others go first."""
    simulation = active()
    if simulation is None:
        real.sleep(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    elif seconds == 0:
        simulation.give_way()
    else:
        simulation.wait_until(CLOCK, Access.ACQUIRE, _never, timeout=seconds, timer=True)


def is_timer(simulation: Simulation) -> bool:
    """Whether a timed wait of the running thread may run out while others go on.

    A thread that the code under test keeps in the background waits for its turn to work: it may come at any moment.
    The timeouts of a caller are taken to be longer than what the others do.
    """
    return simulation.thread() >= FIRST_SPAWNED


def _clock(name: str, start: int) -> Callable[[], float]:
    asked: Callable[[], float] = getattr(time, name)

    def read() -> float:
        simulation = active()
        return asked() if simulation is None else start + simulation.now

    return read


def _clock_in_nanoseconds(name: str, start: int) -> Callable[[], int]:
    asked: Callable[[], int] = getattr(time, name)

    def read() -> int:
        simulation = active()
        return asked() if simulation is None else start * 10**9 + round(simulation.now * 1e9)

    return read


_STARTS = {"time": EPOCH, "monotonic": UPTIME, "perf_counter": UPTIME, "process_time": 1, "thread_time": 1}


def _clocks() -> Iterator[tuple[Any, str, Any]]:
    for name, start in _STARTS.items():
        if hasattr(time, name):  # not every system counts the time of a thread
            yield time, name, _clock(name, start)
            yield time, f"{name}_ns", _clock_in_nanoseconds(f"{name}_ns", start)


REPLACEMENTS: tuple[tuple[Any, str, Any], ...] = (*_clocks(), (time, "sleep", sleep))
