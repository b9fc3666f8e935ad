"""Ends a run whose OS thread is stuck where the scheduler cannot see it: in a real lock, or in a C loop.

A simulation has one OS thread, so a lock that it does not know blocks everything. A timer signal interrupts the
wait. Only the main thread can set one; elsewhere there is no watchdog.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 5.0


class Stalled(BaseException):
    """The run did not move; the text says where it stood."""


@contextmanager
def watchdog(seconds: float = SECONDS) -> Iterator[None]:
    """Raise Stalled in the block if it takes longer than `seconds`."""
    if threading.main_thread() is not threading.current_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    previous = signal.signal(signal.SIGALRM, _bark)
    started = time.monotonic()
    left, interval = signal.setitimer(
        signal.ITIMER_REAL, seconds, 1.0
    )  # again, in case the first is swallowed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if left:  # the timer of somebody else, pytest-timeout for one
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 1e-3), interval)


def _bark(signum: int, frame: FrameType | None) -> None:
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "an unknown place"
    raise Stalled(
        f"the run stopped moving at {where}: a lock that was made before it could be replaced, or a long "
        "computation without a switch point"
    )
