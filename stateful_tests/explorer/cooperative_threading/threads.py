"""Threads that the code under test starts, as simulated threads.

The idea: the methods of `threading.Thread` are replaced, not the class, so that subclasses of any age follow. What
start, join and is_alive touch is the thread's life, an object of its own: a start releases it, the thread acquires
it when it begins and releases it when it ends, a join acquires it. So they are ordered like any other accesses.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.belongings import Uncaught
from mapproof.stateful_tests.explorer.cooperative_threading import real
from mapproof.stateful_tests.explorer.cooperative_threading.clock import is_timer
from mapproof.stateful_tests.explorer.cooperative_threading.locks import identity_of
from mapproof.stateful_tests.explorer.opcode_events import TracingLost
from mapproof.stateful_tests.explorer.simulated_thread import Abort
from mapproof.stateful_tests.explorer.simulation import Simulation, active
from mapproof.stateful_tests.explorer.watchdog import Stalled

_NOT_ITS_OWN = (Abort, GreenletExit, KeyboardInterrupt, Stalled, TracingLost, real.UnsupportedTarget)
"""What leaves a thread without being an exception of its code."""


class _Life:
    """What the start, the end and the joins of one thread access."""

    __slots__ = ("begun", "ended", "holder", "name", "starter")

    def __init__(self, thread: str) -> None:
        self.name = f"the end of {thread}"
        self.begun = False
        self.starter: int | None = None
        self.ended = False
        self.holder: int | None = None

    def has_ended(self) -> bool:
        return self.ended


def _life(thread: threading.Thread) -> _Life | None:
    """The life of a simulated thread, or of one that was not started yet; None if it is a real one, or if it was not
    looked at in a run before and none is on. Whoever asks for it looks at what a start changes."""
    life: _Life | None = vars(thread).get("_simulated_life")
    if life is None and active() is not None and _is_new(thread):
        life = vars(thread)["_simulated_life"] = _Life(thread.name)
    return life


def _is_new(thread: threading.Thread) -> bool:
    return thread._initialized and not thread._started._flag  # type: ignore[attr-defined]


def _running() -> Simulation:
    simulation = active()
    if simulation is None:
        raise real.UnsupportedTarget(
            "the code under test starts a thread of its own outside of a run, where nothing can follow it"
        )
    return simulation


# -- methods of Thread


def start(self: threading.Thread) -> None:
    simulation = _running()
    if not self._initialized:  # type: ignore[attr-defined]
        raise RuntimeError("thread.__init__() not called")
    if self._started._flag:  # type: ignore[attr-defined]
        raise RuntimeError("threads can only be started once")
    life = _life(self)
    assert life is not None, "a thread that has not begun has a life in a run"
    simulation.before(life, Access.RELEASE)
    if life.begun:
        raise RuntimeError("threads can only be started once")
    life.begun = True
    life.starter = simulation.thread()
    number = life.holder = simulation.spawn(lambda: _live(simulation, self, life))
    simulation.belongings.threads[number] = self
    _mark_as_started(self, number)


def join(self: threading.Thread, timeout: float | None = None) -> None:
    life, simulation = _life(self), active()
    if life is None:
        return real.thread_join(self, timeout)
    if simulation is None:
        if life.begun and not life.ended:
            raise real.UnsupportedTarget(f"{self.name} is joined outside of the run that it lives in")
        return None if life.begun else real.thread_join(self, timeout)
    if self is current_thread():
        raise RuntimeError("cannot join current thread")
    if life.starter != simulation.thread():  # who started it knows that it has begun
        simulation.before(life, Access.LOAD)
    if not life.begun:
        raise RuntimeError("cannot join thread before it is started")
    if timeout is None:
        simulation.wait_until(life, Access.ACQUIRE, life.has_ended)
    elif timeout <= 0:
        simulation.before(life, Access.LOAD)
    else:
        simulation.wait_until(
            life, Access.ACQUIRE, life.has_ended, timeout=timeout, timer=is_timer(simulation)
        )
    return None


def is_alive(self: threading.Thread) -> bool:
    life, simulation = _life(self), active()
    if life is None:
        return real.thread_is_alive(self)
    if simulation is not None:
        simulation.before(life, Access.LOAD)
    return life.begun and not life.ended


def _mark_as_started(thread: threading.Thread, number: int) -> None:
    state: Any = thread
    state._ident = state._native_id = identity_of(number)
    state._started._flag = True  # nobody waits for it, so it need not be told


def _live(simulation: Simulation, thread: threading.Thread, life: _Life) -> None:
    """The task of a thread: what `Thread._bootstrap` does."""
    simulation.before(life, Access.ACQUIRE)
    _run_to_the_end(simulation, life, thread.name, thread.run)
    state: Any = thread
    state._is_stopped = True


def _run_to_the_end(simulation: Simulation, life: _Life, name: str, run: Callable[[], Any]) -> None:
    number = simulation.thread()
    try:
        run()
    except (SystemExit, *_NOT_ITS_OWN) as raised:
        if not isinstance(raised, SystemExit):
            raise
    except BaseException as error:  # noqa: BLE001 - the end of a thread, whatever it was
        if not simulation.unwinding:
            simulation.belongings.uncaught.append(Uncaught(number, name, error))
    finally:
        simulation.before(life, Access.RELEASE)
        life.ended = True
        life.holder = None


# -- functions of threading and _thread


def start_new_thread(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any = None, /) -> int:
    """`_thread.start_new_thread`."""
    simulation = _running()
    if not callable(function):
        raise TypeError("first arg must be callable")
    if not isinstance(args, tuple):
        raise TypeError("2nd arg must be a tuple")
    life = _Life(getattr(function, "__name__", "a thread"))
    simulation.before(life, Access.RELEASE)

    def live() -> None:
        simulation.before(life, Access.ACQUIRE)
        name = getattr(function, "__name__", repr(function))
        _run_to_the_end(simulation, life, name, lambda: function(*args, **(kwargs or {})))

    number = life.holder = simulation.spawn(live)
    return identity_of(number)


def start_joinable_thread(*args: Any, **kwargs: Any) -> Any:
    """`_thread.start_joinable_thread`, from Python 3.13 on."""
    raise real.UnsupportedTarget(
        "the code under test calls _thread.start_joinable_thread, which a simulation does not follow; "
        "threading.Thread it does"
    )


def get_ident() -> int:
    """`threading.get_ident`."""
    simulation = active()
    return real.get_ident() if simulation is None else identity_of(simulation.thread())


def get_native_id() -> int:
    """`threading.get_native_id`."""
    simulation = active()
    return real.get_native_id() if simulation is None else identity_of(simulation.thread())


def current_thread() -> threading.Thread:
    """`threading.current_thread`: the same object for as long as the execution lasts."""
    simulation = active()
    return real.current_thread() if simulation is None else _thread_of(simulation, simulation.thread())


def main_thread() -> threading.Thread:
    """`threading.main_thread`: in a simulation, the one that makes the object under test and looks at it after."""
    simulation = active()
    return real.main_thread() if simulation is None else _thread_of(simulation, 0)


def enumerate_threads() -> list[threading.Thread]:
    """`threading.enumerate`."""
    simulation = active()
    if simulation is None:
        return real.enumerate_threads()
    return [_thread_of(simulation, number) for number in sorted({0, *simulation.live})]


def active_count() -> int:
    """`threading.active_count`."""
    return len(enumerate_threads())


def _thread_of(simulation: Simulation, number: int) -> threading.Thread:
    threads = simulation.belongings.threads
    if number not in threads:
        threads[number] = _made_for(number)
    return threads[number]


def _made_for(number: int) -> threading.Thread:
    """The Thread object of a thread that no Thread object started: one of those that call the object under test."""
    name = "MainThread" if number == 0 else f"client-{number}"
    thread = threading.Thread(name=name, daemon=False)
    vars(thread)["_simulated_life"] = life = _Life(name)
    life.begun = True
    life.holder = number
    _mark_as_started(thread, number)
    return thread


def counter() -> int:
    """What numbers the threads without a name: from 1 in every execution."""
    simulation = active()
    answer: int = _real_counter() if simulation is None else simulation.belongings.count("Thread")
    return answer


_real_counter: Callable[[], int] = threading._counter  # type: ignore[attr-defined]


def make(self: threading.Thread, *args: Any, **kwargs: Any) -> None:
    """`Thread.__init__`: gives the thread its place among those of the execution too."""
    give_place(self)
    _real_init(self, *args, **kwargs)


def give_place(made: Any) -> None:
    """Number an object of a class whose objects are ordered by their addresses: that differs from run to run."""
    simulation = active()
    if simulation is not None:
        vars(made)["_simulated_place"] = simulation.belongings.count(f"place of a {type(made).__name__}")


def place_of(made: Any) -> int:
    """What `hash` and `id` answer of such an object, so that a set of threads, as a pool has one, is in the same
    order in each execution."""
    place: int | None = vars(made).get("_simulated_place")
    return object.__hash__(made) if place is None else place


_real_init = threading.Thread.__init__

REPLACEMENTS: tuple[tuple[Any, str, Any], ...] = (
    (threading.Thread, "__init__", make),
    (threading.Thread, "__hash__", place_of),
    (threading.Thread, "start", start),
    (threading.Thread, "join", join),
    (threading.Thread, "is_alive", is_alive),
    (threading, "current_thread", current_thread),
    (threading, "currentThread", current_thread),
    (threading, "enumerate", enumerate_threads),
    (threading, "active_count", active_count),
    (threading, "main_thread", main_thread),
    (threading, "get_ident", get_ident),
    (threading, "get_native_id", get_native_id),
    (threading, "_counter", counter),
    (_thread, "get_ident", get_ident),
    (_thread, "get_native_id", get_native_id),
    (_thread, "start_new_thread", start_new_thread),
    (_thread, "start_new", start_new_thread),
    *(
        ((_thread, "start_joinable_thread", start_joinable_thread),)
        if hasattr(_thread, "start_joinable_thread")
        else ()
    ),
)
