"""Real threads that begin together and must end in time: a hang is a failure of its test, not its end.

The idea: the threads are daemons, so one that never ends is left behind, and said to be.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

Body = Callable[[], object]


class Hang(AssertionError):
    """Some threads have not ended in time."""


def run_together(bodies: Sequence[Body], seconds: float, beside: Body | None = None) -> None:
    """Run each in a thread of its own; meanwhile one more thread calls `beside` again and again.

    Raises the first exception that any of them raised, a FatalError too, or else Hang if not all have ended after so
    many seconds.
    """
    errors, over = list[BaseException](), threading.Event()
    barrier = threading.Barrier(len(bodies))

    def guarded(body: Body) -> None:
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - a FatalError is one, and must not vanish with its thread
            errors.append(error)

    def begin(body: Body) -> None:
        barrier.wait(seconds)
        body()

    def repeat(body: Body) -> None:
        while not over.is_set():
            body()

    threads = [_thread(partial(guarded, partial(begin, body))) for body in bodies]
    helpers = [] if beside is None else [_thread(partial(guarded, partial(repeat, beside)))]
    deadline = time.monotonic() + seconds
    for thread in (*helpers, *threads):
        thread.start()
    _join(threads, deadline)
    over.set()
    _join(helpers, deadline)
    if errors:
        raise errors[0]
    if alive := sum(thread.is_alive() for thread in (*threads, *helpers)):
        raise Hang(f"{alive} threads are still running after {seconds:g} s")


@contextmanager
def switching_often(interval: float = 1e-6) -> Iterator[None]:
    """Let Python switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _thread(body: Body) -> threading.Thread:
    return threading.Thread(target=body, daemon=True)


def _join(threads: Sequence[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
