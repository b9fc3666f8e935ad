"""The parts of `threading` that would block the process, so that they block a simulated thread instead.

The idea: only locks truly block. `Lock` and `RLock` here wait in the simulation while one runs and are ordinary
locks otherwise; Condition, Event, Semaphore and Barrier are the standard library's own Python code, which works
on top of them unchanged. `patched` puts these in place of the real ones, and also into the modules and classes
under test that had taken a real one at import (`from threading import Lock`, a lock as a class attribute).
"""

from __future__ import annotations

import _thread
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FunctionType, ModuleType
from typing import Any, Self

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.simulation import active

_real_get_ident = threading.get_ident
_real_current_thread = threading.current_thread
_real_sleep = time.sleep
_real_monotonic = time.monotonic


class UnsupportedTarget(Exception):
    """The code under test does something that a simulation cannot follow."""


def _made_at() -> str:
    """Where the code under test made a lock: the first frame outside of this module and `threading`."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename in (__file__, threading.__file__):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Lock:
    """`threading.Lock`. `holder` is the simulated thread that took it, for deadlock reports."""

    def __init__(self) -> None:
        self._lock = _allocate_lock()
        self.name = f"Lock made at {_made_at()}"
        self.holder: int | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        simulation = active()
        if simulation is None:
            return bool(self._lock.acquire(blocking, timeout))
        if not blocking:
            simulation.before(self, Access.TRY_LOCK)
        elif not simulation.wait_until(
            self, Access.LOCK, self._is_free, timeout=timeout if timeout >= 0 else None
        ):
            return False
        if not self._lock.acquire(False):
            return False
        self.holder = simulation.thread()
        return True

    def release(self) -> None:
        simulation = active()
        if simulation is not None:
            simulation.before(self, Access.UNLOCK)
        self.holder = None
        self._lock.release()

    def locked(self) -> bool:
        return bool(self._lock.locked())

    def _is_free(self) -> bool:
        return not self._lock.locked()

    def _at_fork_reinit(self) -> None:
        self._lock = _allocate_lock()

    __enter__ = acquire

    def __exit__(self, *exception: object) -> None:
        self.release()


class RLock:
    """`threading.RLock`, with the private methods that Condition asks of it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.name = self.name = f"RLock made at {_made_at()}"
        self._owner: int | None = None
        self._count = 0

    @property
    def holder(self) -> int | None:
        return self._lock.holder

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._owner == get_ident():
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner = get_ident()
        self._count = 1
        return True

    def release(self) -> None:
        if self._owner != get_ident():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if self._count == 0:
            self._owner = None
            self._lock.release()

    __enter__ = acquire

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return self._owner == get_ident()

    def _release_save(self) -> tuple[int, int | None]:
        saved = (self._count, self._owner)
        self._count, self._owner = 0, None
        self._lock.release()
        return saved

    def _acquire_restore(self, saved: tuple[int, int | None]) -> None:
        self._lock.acquire()
        self._count, self._owner = saved

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0


class Local:
    """`threading.local`: each simulated thread sees attributes of its own; a subclass's `__init__` runs once a
    thread, on first use."""

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]
    _by_thread: dict[int, dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        object.__setattr__(made, "_arguments", (args, kwargs))
        object.__setattr__(made, "_by_thread", {get_ident(): {}})
        return made

    def __getattribute__(self, name: str) -> Any:
        mine = _attributes(self)
        if name == "__dict__":
            return mine
        if name in mine:
            return mine[name]
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _attributes(self)[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del _attributes(self)[name]
        except KeyError:
            raise AttributeError(name) from None


def _attributes(local: Local) -> dict[str, Any]:
    by_thread: dict[int, dict[str, Any]] = object.__getattribute__(local, "_by_thread")
    me = get_ident()
    if me not in by_thread:
        by_thread[me] = {}
        args, kwargs = object.__getattribute__(local, "_arguments")
        type(local).__init__(local, *args, **kwargs)
    return by_thread[me]


class SimulatedThread:
    """What `threading.current_thread()` answers in a simulated thread."""

    daemon = False

    def __init__(self, number: int) -> None:
        self.name = f"client-{number}"
        self.ident = self.native_id = _ident(number)

    def is_alive(self) -> bool:
        return True

    def getName(self) -> str:
        return self.name


def _ident(number: int) -> int:
    """Simulated thread identifiers: not 0, and unlike an address."""
    return number + 1


def get_ident() -> int:
    """`threading.get_ident`."""
    simulation = active()
    return _real_get_ident() if simulation is None else _ident(simulation.thread())


def current_thread() -> threading.Thread | SimulatedThread:
    """`threading.current_thread`."""
    simulation = active()
    return _real_current_thread() if simulation is None else SimulatedThread(simulation.thread())


def sleep(seconds: float) -> None:
    """`time.sleep`: lets the others go first, and takes no time."""
    simulation = active()
    if simulation is None:
        _real_sleep(seconds)
    else:
        simulation.give_way()


def monotonic() -> float:
    """The clock by which `threading` and `queue` tell whether a timeout is over: a wait that gives up takes all of
    its time, nothing else takes any."""
    simulation = active()
    return _real_monotonic() if simulation is None else simulation.now


def _refuse_to_start(self: threading.Thread, *args: Any) -> None:
    raise UnsupportedTarget(
        "the code under test starts a thread of its own, which a simulation cannot follow"
    )


_allocate_lock: Callable[[], Any] = _thread.allocate_lock

_REPLACEMENTS: tuple[tuple[Any, str, Any], ...] = (
    (threading, "Lock", Lock),
    (threading, "_allocate_lock", Lock),
    (threading, "RLock", RLock),
    (threading, "_RLock", RLock),
    (threading, "_CRLock", RLock),
    (threading, "local", Local),
    (threading, "get_ident", get_ident),
    (threading, "current_thread", current_thread),
    (threading, "_time", monotonic),
    (threading.Thread, "start", _refuse_to_start),
    (_thread, "allocate_lock", Lock),
    (_thread, "get_ident", get_ident),
    (time, "sleep", sleep),
    (queue, "time", monotonic),
)

_LOCK_TYPES = (type(_allocate_lock()), type(threading.RLock()), threading._RLock)


@contextmanager
def patched(modules: Iterable[ModuleType] = ()) -> Iterator[None]:
    """Replace the blocking parts of `threading`, and what `modules` and their classes had taken of it."""
    originals = {id(getattr(owner, name)): new for owner, name, new in _REPLACEMENTS}
    planned = [*_REPLACEMENTS]
    for module in modules:
        planned += _taken_at_import(module, originals)
    undo = [(owner, name, getattr(owner, name)) for owner, name, _ in planned]
    try:
        for owner, name, new in planned:
            setattr(owner, name, new)
        yield
    finally:
        for owner, name, old in reversed(undo):
            setattr(owner, name, old)


def _taken_at_import(module: ModuleType, originals: dict[int, Any]) -> Iterator[tuple[Any, str, Any]]:
    """What to set where: names of the module and its classes, default arguments, and variables of closures
    (where a dataclass keeps a `default_factory`)."""
    classes = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    owners: list[ModuleType | type] = [module, *classes]
    for owner in owners:
        for name, value in list(vars(owner).items()):
            if id(value) in originals:
                yield owner, name, originals[id(value)]
            elif isinstance(value, _LOCK_TYPES):
                yield owner, name, _in_place_of(value, f"{owner.__name__}.{name}")
            elif isinstance(value, FunctionType):
                yield from _taken_by_function(value, originals)


def _in_place_of(real: Any, where: str) -> Lock | RLock:
    made = RLock() if "RLock" in type(real).__name__ else Lock()
    inner = made._lock if isinstance(made, RLock) else made
    made.name = inner.name = f"{type(made).__name__} {where}"
    return made


def _taken_by_function(function: FunctionType, originals: dict[int, Any]) -> Iterator[tuple[Any, str, Any]]:
    defaults = function.__defaults__ or ()
    if any(id(value) in originals for value in defaults):
        yield function, "__defaults__", tuple(originals.get(id(value), value) for value in defaults)
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty cell
            if id(cell.cell_contents) in originals:
                yield cell, "cell_contents", originals[id(cell.cell_contents)]
