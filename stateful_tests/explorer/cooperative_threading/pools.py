"""Queues and pools of the standard library that are written in C, or that outlive an execution.

The idea: `queue.SimpleQueue` has a twin in Python, and `ThreadPoolExecutor` is Python already; what is left to do is
to keep its workers out of the interpreter's exit, and the workers of one execution out of the next.
"""

from __future__ import annotations

import _queue
import concurrent.futures._base as futures
import concurrent.futures.thread as pools
import logging
import queue
import threading
import weakref
from typing import Any

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.cooperative_threading.locks import Lock
from mapproof.stateful_tests.explorer.cooperative_threading.threads import give_place, place_of
from mapproof.stateful_tests.explorer.simulation import active


def _look(target: object, access: Access) -> None:
    simulation = active()
    if simulation is not None:
        simulation.before(target, access)


def semaphore() -> threading.Semaphore:
    """One of value 0 that is cooperative even if `threading` is not so yet."""
    made: Any = threading.Semaphore(0)
    lock: Any = Lock()
    made._cond = threading.Condition(lock)
    answer: threading.Semaphore = made
    return answer


class SimpleQueue(queue._PySimpleQueue):  # type: ignore[name-defined,misc]
    """`queue.SimpleQueue`; to put something in and to count what is there are accesses of it."""

    def __init__(self) -> None:
        super().__init__()
        self._count: Any = semaphore()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        _look(self, Access.STORE)
        if active() is None and self._count._cond._lock.holder is not None:
            # A pool that is dropped when its run is over tells its workers, one of which stands in the midst of this.
            self._queue.append(item)
        else:
            super().put(item, block, timeout)

    def empty(self) -> bool:
        _look(self, Access.LOAD)
        return bool(super().empty())

    def qsize(self) -> int:
        _look(self, Access.LOAD)
        return int(super().qsize())


class _Unwound(logging.Filter):
    """Keeps silent about workers that were unwound, to whom that looks like an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        simulation = active()
        return simulation is None or not simulation.unwinding


def submit(self: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """`ThreadPoolExecutor.submit`: a pool that outlives an execution has no workers in the next."""
    simulation = active()
    if simulation is not None:
        _forget_workers_of_another_execution(self, set(simulation.belongings.threads.values()))
    return _real_submit(self, function, *args, **kwargs)


def counter() -> int:
    """What numbers the pools without a name: from 0 in every execution."""
    simulation = active()
    answer: int = _real_counter() if simulation is None else simulation.belongings.count("Pool") - 1
    return answer


def make_future(self: futures.Future[Any]) -> None:
    """`Future.__init__`: gives it its place among those of the execution too."""
    give_place(self)
    _real_init(self)


_real_init = futures.Future.__init__
_real_submit: Any = pools.ThreadPoolExecutor.submit
_real_counter: Any = pools.ThreadPoolExecutor._counter  # type: ignore[attr-defined]


def _forget_workers_of_another_execution(executor: Any, living: set[threading.Thread]) -> None:
    """A pool that a module keeps was used before: its workers are gone, and what they left is nobody's."""
    if executor._threads and not executor._threads <= living:
        executor._threads = set()
        executor._work_queue = SimpleQueue()
        executor._idle_semaphore = semaphore()
        executor._shutdown_lock = Lock()


def replacements() -> tuple[tuple[Any, str, Any], ...]:
    """What to set where, made anew for each time that it is set."""
    executor = pools.ThreadPoolExecutor
    return (
        (queue, "SimpleQueue", SimpleQueue),
        (_queue, "SimpleQueue", SimpleQueue),
        (pools, "_threads_queues", weakref.WeakKeyDictionary()),
        (pools, "_global_shutdown_lock", Lock("Lock of all pools")),
        (executor, "submit", submit),
        (executor, "_counter", staticmethod(counter)),
        # By these the standard library orders the futures that somebody waits for.
        (futures.Future, "__init__", make_future),
        (futures.Future, "__hash__", place_of),
        (futures, "id", place_of),
        (futures.LOGGER, "filters", [*futures.LOGGER.filters, _Unwound()]),
    )
