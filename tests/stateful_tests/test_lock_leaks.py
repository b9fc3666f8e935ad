"""Locks that nobody gave back are told with who took them where."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cooperating import Execution, executions, plainly

from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget, patched
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.simulation import Simulation

pytestmark = pytest.mark.interpreter

HERE = "test_lock_leaks.py"


def after(work: Callable[[], Any], *others: Callable[[], Any]) -> Execution:
    return plainly(lambda: ([work, *others], lambda: None))


def test_a_lock_that_a_path_forgets_is_told() -> None:
    def program() -> Any:
        lock, values = threading.Lock(), [1]

        def pop() -> None:
            lock.acquire()
            if not values:
                return  # without giving it back: that is the bug
            values.pop()
            lock.release()

        return [pop, pop], lambda: None

    found = executions(program, PreemptionBound(1))
    assert {len(one.held) for one in found} == {1}
    assert {one.held[0].thread for one in found} == {1, 2}
    text = str(found[0].held[0])
    lines = [int(part.split(":")[1].split(",")[0]) for part in text.split(HERE)[1:]]
    assert text.startswith("Lock made at ")
    assert ", acquired at " in text
    first = program.__code__.co_firstlineno
    assert lines == [first + 1, first + 4]


@pytest.mark.parametrize("name", ["Lock", "RLock", "Condition"])
def test_every_kind_of_lock_is_told_and_not_what_was_given_back(name: str) -> None:
    def work() -> None:
        kept, given = getattr(threading, name)(), getattr(threading, name)()
        kept.acquire()
        with given:
            pass
        kept_alive.append(kept)

    kept_alive: list[Any] = []
    (held,) = after(work).held
    assert HERE in held.acquired
    assert held.thread == 1


def test_an_rlock_that_was_given_back_once_too_few_is_told() -> None:
    def work() -> None:
        lock = threading.RLock()
        lock.acquire()
        with lock:
            pass

    assert [held.name.startswith("RLock") for held in after(work).held] == [True]


def test_a_lock_that_was_tried_is_told() -> None:
    locks: list[Any] = []

    def work() -> None:
        locks.append(threading.Lock())
        assert locks[0].acquire(blocking=False)
        assert not locks[0].acquire(timeout=1)

    assert len(after(work).held) == 1


def test_signals_are_no_locks_that_are_held() -> None:
    def program() -> Any:
        items: queue.Queue[int] = queue.Queue(1)
        simple: queue.SimpleQueue[int] = queue.SimpleQueue()
        barrier, event = threading.Barrier(2), threading.Event()

        def put() -> None:
            items.put(1)
            items.put(2)
            simple.put(3)
            barrier.wait()
            event.wait()

        def get() -> None:
            items.get()
            items.get(timeout=5)
            simple.get()
            barrier.wait()
            event.set()

        return [put, get], lambda: "done"

    found = executions(program, PreemptionBound(1), runs=300)
    assert {(one.outcome, one.held) for one in found} == {("done", ())}


def test_a_lock_that_is_held_across_two_calls_is_told_only_while_it_is_held() -> None:
    def program() -> Any:
        lock = threading.Lock()
        return [lambda: lock.acquire() and None], lambda: lock.release()

    assert plainly(program).held == ()


def test_a_lock_of_a_module_is_free_in_the_next_execution() -> None:
    lock: Any = None

    def program() -> Any:
        nonlocal lock
        lock = lock or threading.Lock()
        time.sleep(0)
        return [lambda: lock.acquire() and None] * 1, lambda: None

    for _ in range(3):
        assert len(plainly(program).held) == 1
    assert not lock.locked()


def test_a_lock_of_a_simulated_thread_is_not_waited_for_outside() -> None:
    locks: list[Any] = []

    def work() -> None:
        locks.append(threading.Lock())
        locks[0].acquire()

    with patched():
        simulation = Simulation()
        simulation.run({1: work}, RandomWalk(0))
        with pytest.raises(UnsupportedTarget, match="outside of a run while simulated thread 1 holds it"):
            locks[0].acquire()
        assert not locks[0].acquire(blocking=False)
        simulation.finish()
        assert locks[0].acquire()
