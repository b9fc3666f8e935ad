"""Ends a run whose OS thread is stuck where the scheduler cannot see it: in a real lock, or in a C loop.

A simulation has one OS thread, so a lock that it does not know blocks everything. On the main thread a timer signal
interrupts the wait. Elsewhere nothing can interrupt a wait in C: a thread in the background raises an exception in
the stuck one, which ends a loop of Python code, and says on standard error so if that does not help.
"""

from __future__ import annotations

import ctypes
import dis
import linecache
import signal
import sys
import threading
import time
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import CodeType, FrameType
from typing import Any

from mapproof.stateful_tests.explorer.simulation import active

SECONDS = 5.0
AGAIN = 1.0
"""So many seconds later it is tried once more, as the code under test may have swallowed the exception."""


class Stalled(BaseException):
    """The run did not move; the text says where it stood."""


@contextmanager
def watchdog(seconds: float = SECONDS) -> Iterator[None]:
    """Raise Stalled in the block if it takes longer than `seconds`."""
    if threading.main_thread() is not threading.current_thread() or not hasattr(signal, "setitimer"):
        with _background.watch(seconds):
            yield
        return
    previous = signal.signal(signal.SIGALRM, _bark)
    started = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if left:  # the timer of somebody else, pytest-timeout for one
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 1e-3), interval)


def _bark(signum: int, frame: FrameType | None) -> None:
    raise Stalled(_told(frame, _running_thread()))


# -- what it says


def _told(innermost: FrameType | None, thread: str) -> str:
    """Where it stands, who runs there, and what it probably waits for: one line."""
    frame = _of_the_target(innermost)
    if innermost is None or frame is None:
        return "the run stopped moving at an unknown place"
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f"the run stopped moving at {where}{thread}{f', in `{line}`' if line else ''}: {_reason(innermost, frame)}"


def _reason(innermost: FrameType, frame: FrameType) -> str:
    calls = _calls(innermost.f_code, innermost.f_lasti)
    if calls:
        for looked_at in (innermost, frame):
            name = _locked(looked_at)
            if name is not None:
                return (
                    f"{name} is a real lock, made before it could be replaced; have its module imported by "
                    "`mapproof check`, or make it together with the object"
                )
    cause = "a lock that was made before it could be replaced, or a long computation without a switch point"
    return f"{cause}, in the C code that is called there" if calls else cause


def _running_thread() -> str:
    simulation = active()
    if simulation is None:
        return ""
    number = simulation.thread()
    thread = simulation.belongings.threads.get(number)
    return f" in client {number}" if thread is None else f" in thread {thread.name}"


def _of_the_target(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that is neither the standard library's nor ours, or the innermost at all."""
    found = frame
    while found is not None and _is_in_between(found):
        found = found.f_back
    return found or frame


def _is_in_between(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package == "mapproof" or (package in sys.stdlib_module_names and package != "__main__")


def _calls(code: CodeType, offset: int) -> bool:
    """Whether the instruction there calls something, or enters a `with`."""
    name = dis.opname[code.co_code[offset]]
    return name.startswith(("CALL", "PRECALL", "BEFORE_WITH", "WITH_", "SEND"))


_REAL = (type(allocate_lock()), type(threading.RLock()))


def _locked(frame: FrameType) -> str | None:
    """The name of a real lock that is held, if this frame can see one by a name or an attribute of one."""
    seen = {**{n: frame.f_globals.get(n) for n in frame.f_code.co_names}, **frame.f_locals}
    for name, value in seen.items():
        if _is_held(value):
            return name
        for attribute, found in _attributes(value):
            if _is_held(found):
                return f"{name}.{attribute}"
    return None


def _attributes(value: Any) -> list[tuple[str, Any]]:
    of_class = [] if isinstance(value, type) else list(vars(type(value)).items())
    own = getattr(type(value), "__dict__", {}).get("__dict__") is not None
    return [*(list(vars(value).items()) if own and hasattr(value, "__dict__") else []), *of_class]


def _is_held(value: Any) -> bool:
    return isinstance(value, _REAL) and repr(value).startswith("<locked")


# -- off the main thread


class _Background:
    """Looks after threads that no signal reaches. One for the process, and asleep while there is nothing to watch."""

    def __init__(self) -> None:
        self._guard = allocate_lock()
        self._asleep = allocate_lock()
        self._asleep.acquire()
        self._running = False
        self._watched: dict[int, tuple[float, int]] = {}

    @contextmanager
    def watch(self, seconds: float) -> Iterator[None]:
        me = get_ident()
        with self._guard:
            before = self._watched.get(me)
            self._watched[me] = (monotonic() + seconds, 0)
            if not self._running:
                self._running = True
                start_new_thread(self._watch, ())
            if self._asleep.locked():
                self._asleep.release()
        try:
            yield
        finally:
            with self._guard:
                if before is None:
                    del self._watched[me]
                else:
                    self._watched[me] = before
            for _ in range(2):  # if it was raised this late it comes here, where the interpreter looks for it
                pass

    def _watch(self) -> None:
        while True:
            with self._guard:
                now = monotonic()
                for thread, (deadline, times) in self._watched.items():
                    if now >= deadline:
                        self._watched[thread] = (now + AGAIN, times + 1)
                        self._bark(thread, times)
                soonest = min((deadline for deadline, _ in self._watched.values()), default=None)
            self._asleep.acquire(timeout=-1 if soonest is None else max(soonest - now, 0.01))

    def _bark(self, thread: int, times: int) -> None:
        text = _told(sys._current_frames().get(thread), "")
        if times == 1:
            print(
                f"mapproof: {text}; only on the main thread can that be ended, and this is another one",
                file=sys.stderr,
                flush=True,
            )
        _raise_in(
            thread, type("Stalled", (Stalled,), {"__init__": lambda self: Stalled.__init__(self, text)})
        )


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Have this exception raised in another thread as soon as it runs Python code.

    To take it back is no option: on Python 3.11 that makes a traced thread spin for ever.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


_background = _Background()
