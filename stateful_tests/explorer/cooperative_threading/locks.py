"""`Lock` and `RLock` that block a simulated thread, and which of them are held.

The idea: only locks truly block. These wait in the simulation while one runs and are ordinary locks otherwise;
Condition, Event, Semaphore and Barrier are the standard library's own Python code on top of them. Whatever looks at
the state of a lock is an access of it, so that no strategy takes two orders for one.
"""

from __future__ import annotations

import queue
import sys
import threading
from dataclasses import dataclass
from types import CodeType
from typing import Any

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.belongings import Belongings
from mapproof.stateful_tests.explorer.cooperative_threading import real
from mapproof.stateful_tests.explorer.cooperative_threading.clock import is_timer
from mapproof.stateful_tests.explorer.opcode_events import line_of
from mapproof.stateful_tests.explorer.simulation import Simulation, active

_INSIDE = frozenset({__file__, threading.__file__, queue.__file__})
"""Files between the code under test and a lock that it uses."""

_LOCK, _UNLOCK = (
    Access.LOCK,
    Access.UNLOCK,
)  # every lock is taken and given back by these, and an enum looks them up


def _asked_from() -> tuple[CodeType, int]:
    """Where the code under test stands: the innermost frame outside of `_INSIDE`."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename in _INSIDE and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def _told(place: tuple[CodeType, int]) -> str:
    code, offset = place
    return f"{code.co_filename}:{line_of(code, offset)}"


class _Held:
    """What the two kinds share: a real lock, and who took it where. `holder` is a number, for deadlock reports."""

    __slots__ = ("__weakref__", "_code", "_execution", "_lock", "_made", "_name", "_offset", "holder")

    _code: CodeType
    _offset: int

    def __init__(self, name: str | None = None) -> None:
        self._lock = real.allocate_lock()
        self._made = _asked_from()
        self._name = name
        self._execution: Belongings | None = None
        self.holder: int | None = None

    @property
    def name(self) -> str:
        """Where it was made, or in which module or class it was found."""
        return self._name or f"{type(self).__name__} made at {_told(self._made)}"

    @property
    def acquired(self) -> str:
        """Where it was last acquired in a simulation, file and line."""
        return _told((self._code, self._offset))

    def _take(self, simulation: Simulation) -> None:
        """Wait for it, and take it."""
        simulation.wait_until(self, _LOCK, self._is_free)
        self._lock.acquire(False)
        self._is_taken(simulation)

    def _try(self, simulation: Simulation, blocking: bool, timeout: float) -> bool:
        """Take it if it is or gets free soon enough."""
        if not blocking or timeout == 0:
            simulation.before(self, Access.TRY_LOCK)
            taken = bool(self._lock.acquire(False))
            simulation.after(self, Access.TRY_LOCK, taken)
        else:
            taken = simulation.wait_until(
                self, Access.LOCK, self._is_free, timeout=timeout, timer=is_timer(simulation)
            ) and bool(self._lock.acquire(False))
        if taken:
            self._is_taken(simulation)
        return taken

    def _take_outside(self, blocking: bool, timeout: float) -> bool:
        """Take it as the real lock that it is while no simulation runs."""
        if blocking and self.holder is not None and self._lock.locked():
            raise real.UnsupportedTarget(
                f"{self} is asked for outside of a run while simulated thread {self.holder} holds it"
            )
        return bool(self._lock.acquire(blocking, timeout))

    def _is_taken(self, simulation: Simulation) -> None:
        self.holder = simulation.thread()
        frame = sys._getframe(3)
        while frame.f_code.co_filename in _INSIDE and frame.f_back is not None:
            frame = frame.f_back
        self._code = frame.f_code
        self._offset = frame.f_lasti
        if self._execution is not simulation.belongings:
            self._execution = simulation.belongings
            self._execution.locks.append(self)

    def _give_back(self, simulation: Simulation) -> None:
        simulation.stop_before((self, _UNLOCK))
        self._lock.release()
        self.holder = None

    def _is_free(self) -> bool:
        return not self._lock.locked()

    def _at_fork_reinit(self) -> None:
        self._lock = real.allocate_lock()
        self.holder = None

    def __repr__(self) -> str:
        return f"<{'locked' if self._lock.locked() else 'unlocked'} {self.name}>"


def _check(blocking: bool, timeout: float) -> None:
    """Refuse what a real lock refuses."""
    if timeout == -1:
        return
    if not blocking:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0:
        raise ValueError("timeout value must be a non-negative number")
    if timeout > threading.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")


class Lock(_Held):
    """`threading.Lock`."""

    __slots__ = ()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        simulation = active()
        if simulation is None:
            return self._take_outside(blocking, timeout)
        if blocking and timeout == -1:
            self._take(simulation)
            return True
        _check(blocking, timeout)
        return self._try(simulation, blocking, timeout)

    def release(self) -> None:
        simulation = active()
        if simulation is not None:
            simulation.stop_before((self, _UNLOCK))
        self._lock.release()
        self.holder = None

    def locked(self) -> bool:
        simulation = active()
        if simulation is not None:
            simulation.before(self, Access.LOAD)
        return bool(self._lock.locked())

    __enter__ = acquire

    def __exit__(self, *exception: object) -> None:
        self.release()


class WaiterLock(Lock):
    """What a Condition makes for each who waits, who takes it at once and then waits for another to release it: a
    signal, which nobody holds."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return f"the notification awaited at {_told(self._made)}"

    def _is_taken(self, simulation: Simulation) -> None:
        pass


class RLock(_Held):
    """`threading.RLock`, with the private methods that Condition asks of it."""

    __slots__ = ("_count", "_owner")

    def __init__(self, name: str | None = None) -> None:
        _Held.__init__(self, name)
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        simulation = active()
        me = _identity(simulation)
        if self._owner == me:
            self._count += 1
            return True
        if simulation is None:
            taken = self._take_outside(blocking, timeout)
        elif blocking and timeout == -1:
            self._take(simulation)
            taken = True
        else:
            _check(blocking, timeout)
            taken = self._try(simulation, blocking, timeout)
        if taken:
            self._owner = me
            self._count = 1
        return taken

    def release(self) -> None:
        simulation = active()
        if self._owner != _identity(simulation):
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if self._count == 0:
            self._let_go(simulation)

    __enter__ = acquire

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _let_go(self, simulation: Simulation | None) -> None:
        self._owner = None
        if simulation is None:
            self._lock.release()
        else:
            self._give_back(simulation)

    def _is_owned(self) -> bool:
        return self._owner == _identity(active())

    def _release_save(self) -> tuple[int, int | None]:
        saved = (self._count, self._owner)
        self._count = 0
        self._let_go(active())
        return saved

    def _acquire_restore(self, saved: tuple[int, int | None]) -> None:
        simulation = active()
        if simulation is None:
            self._take_outside(True, -1)
        else:
            self._take(simulation)
        self._count, self._owner = saved

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _at_fork_reinit(self) -> None:
        _Held._at_fork_reinit(self)
        self._owner, self._count = None, 0


def identity_of(number: int) -> int:
    """What a simulated thread's `get_ident` answers: not 0, and unlike an address."""
    return number + 1


def _identity(simulation: Simulation | None) -> int:
    return real.get_ident() if simulation is None else identity_of(simulation.thread())


def is_set(event: threading.Event) -> bool:
    """`threading.Event.is_set`: its flag changes under its lock, so to look at the one is to look at the other."""
    look(event)
    return real.event_is_set(event)


def is_broken(barrier: threading.Barrier) -> bool:
    """`threading.Barrier.broken`."""
    look(barrier)
    return bool(_real_broken(barrier))


def count_waiting(barrier: threading.Barrier) -> int:
    """`threading.Barrier.n_waiting`."""
    look(barrier)
    return int(_real_count(barrier))


def look(target: Any) -> None:
    """Be about to read what changes under the lock of this one's Condition."""
    simulation = active()
    if simulation is not None:
        simulation.before(target._cond._lock, Access.LOAD)


_real_broken: Any = vars(threading.Barrier)["broken"].fget
_real_count: Any = vars(threading.Barrier)["n_waiting"].fget


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that is held by the thread of this number: its name says where it was made, `acquired` where it was
    acquired (file and line)."""

    name: str
    thread: int
    acquired: str

    def __str__(self) -> str:
        return f"{self.name}, acquired at {self.acquired}"


def held_locks(simulation: Simulation) -> tuple[HeldLock, ...]:
    """The cooperative locks that some thread acquired in this execution and nobody released.

    Ask before `simulation.finish()`, which frees them.
    """
    return tuple(
        HeldLock(lock.name, lock.holder, lock.acquired)
        for lock in simulation.belongings.locks
        if lock.holder is not None
    )
