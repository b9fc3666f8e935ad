"""Pools and queues of the standard library run in a simulation as they are."""

from __future__ import annotations

import _queue
import logging
import queue
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures import thread as pools
from queue import SimpleQueue
from typing import Any

import pool_takers
import pytest
from cooperating import alone, executions, outcomes, plainly

from mapproof.stateful_tests.explorer.cooperative_threading import patched
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.simulation import Simulation

pytestmark = pytest.mark.interpreter

KINDS = ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue")


def test_a_pool_does_what_it_is_given() -> None:
    def work() -> Any:
        with ThreadPoolExecutor(2) as pool:
            doubled = list(pool.map(lambda value: 2 * value, range(5)))
            future = pool.submit(divmod, 7, 2)
            failing = pool.submit(divmod, 7, 0)
            assert future.result() == (3, 1)
            assert future.result(timeout=5) == (3, 1)
            with pytest.raises(ZeroDivisionError):
                failing.result()
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            pool.submit(print)
        return doubled, threading.active_count()

    assert alone(work) == ([0, 2, 4, 6, 8], 1)


def test_a_result_that_does_not_come_in_time_is_a_timeout() -> None:
    def work() -> Any:
        with ThreadPoolExecutor(1) as pool:
            event = threading.Event()
            slow = pool.submit(event.wait)
            started = time.monotonic()
            with pytest.raises(FutureTimeout):
                slow.result(timeout=30)
            assert time.monotonic() - started == 30
            waiting = pool.submit(print)
            assert waiting.cancel()
            event.set()
            return slow.result()

    assert alone(work) is True


def test_waiting_for_the_first_of_some() -> None:
    def work() -> Any:
        event = threading.Event()
        with ThreadPoolExecutor(2) as pool:
            slow, fast = pool.submit(event.wait), pool.submit(int)
            done, left = wait([slow, fast], return_when=FIRST_COMPLETED)
            event.set()
            return done == {fast}, left == {slow}, {future.result() for future in as_completed([slow, fast])}

    assert alone(work) == (True, True, {True, 0})


def test_the_tasks_of_a_pool_race() -> None:
    def program() -> Any:
        total = [0]

        def add() -> None:
            before = total[0]
            time.sleep(0)
            total[0] = before + 1

        def work() -> None:
            with ThreadPoolExecutor(2) as pool:
                pool.submit(add)
                pool.submit(add)

        return [work], lambda: total[0]

    assert outcomes(program, bound=1) == {1, 2}


@pytest.mark.parametrize("waits", [True, False])
def test_a_task_that_a_shutdown_does_not_wait_for_may_be_lost(waits: bool) -> None:
    def program() -> Any:
        stored: list[int] = []

        def work() -> None:
            pool = ThreadPoolExecutor(1)
            pool.submit(stored.append, 1)
            pool.shutdown(wait=waits)

        return [work], lambda: tuple(stored)

    assert outcomes(program, bound=1) == ({(1,)} if waits else {(), (1,)})


def test_a_pool_that_was_dropped_lets_its_workers_go() -> None:
    def program() -> Any:
        def work() -> None:
            pool = ThreadPoolExecutor(1)
            assert pool.submit(int).result() == 0
            del pool
            while threading.active_count() > 2:
                time.sleep(1)

        return [work], lambda: "gone"

    assert outcomes(program, bound=0) == {"gone"}


def test_workers_that_wait_are_unwound_silently(caplog: pytest.LogCaptureFixture) -> None:
    def program() -> Any:
        pool = ThreadPoolExecutor(2)
        return [lambda: pool.submit(int).result() and None] * 2, lambda: pool and None

    before = list(threading.enumerate()), list(pools._threads_queues)
    assert len(executions(program, PreemptionBound(0), runs=50)) > 1
    assert (list(threading.enumerate()), list(pools._threads_queues)) == before
    assert caplog.records == []
    assert logging.getLogger("concurrent.futures").filters == []


def test_a_pool_that_a_module_keeps_has_new_workers_in_each_execution() -> None:
    before = pool_takers.POOL.submit(threading.get_ident).result()

    def program() -> Any:
        got: list[int] = []
        return [lambda: got.append(pool_takers.doubled(4))] * 2, lambda: tuple(got)

    found = executions(program, PreemptionBound(0), modules=[pool_takers], runs=20)
    assert {one.outcome for one in found} == {(8, 8)}
    assert pool_takers.POOL.submit(threading.get_ident).result(10) == before


def test_nothing_is_left_at_the_end_of_the_interpreter() -> None:
    program = """
        import sys
        sys.path.insert(0, {folder!r})
        from concurrent.futures import ThreadPoolExecutor
        from cooperating import executions, PreemptionBound

        kept = []

        def program():
            kept.append(ThreadPoolExecutor(2))
            return [lambda: kept[-1].submit(int).result() and None] * 2, lambda: None

        print(len(executions(program, PreemptionBound(0), runs=5)))
    """
    source = textwrap.dedent(program).format(folder=__file__.rpartition("/")[0])
    ran = subprocess.run(
        [sys.executable, "-c", source], check=False, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "5\n", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_hands_over_and_gives_up(kind: str) -> None:
    def program() -> Any:
        items, got = getattr(queue, kind)(), []

        def put() -> None:
            items.put(1)
            items.put(2)

        def get() -> None:
            got.extend([items.get(), items.get(timeout=5)])
            assert items.empty()
            with pytest.raises(queue.Empty):
                items.get(timeout=5)
            with pytest.raises(queue.Empty):
                items.get_nowait()

        return [put, get], lambda: tuple(sorted(got))

    assert outcomes(program, bound=1) == {(1, 2)}


def test_a_full_queue_waits_for_room() -> None:
    def work() -> Any:
        items: queue.Queue[int] = queue.Queue(1)
        items.put(1)
        with pytest.raises(queue.Full):
            items.put(2, timeout=9)
        with pytest.raises(queue.Full):
            items.put_nowait(2)
        return items.get()

    assert alone(work) == 1


def test_a_simple_queue_is_cooperative_under_all_its_names() -> None:
    kinds = (SimpleQueue, queue.SimpleQueue, _queue.SimpleQueue)
    with patched([sys.modules[__name__], pool_takers]):
        found = (sys.modules[__name__].SimpleQueue, queue.SimpleQueue, _queue.SimpleQueue)  # type: ignore[attr-defined]
        assert not set(found) & set(kinds)
        assert len(set(found)) == 1
        assert isinstance(pool_takers.ITEMS, found[0])
    assert (SimpleQueue, queue.SimpleQueue, _queue.SimpleQueue) == kinds
    assert type(pool_takers.ITEMS) is kinds[0]


def test_a_look_at_a_queue_sees_both_orders() -> None:
    def program() -> Any:
        items: Any = queue.SimpleQueue()
        seen: list[int] = []
        return [lambda: items.put(1), lambda: seen.append(items.qsize())], lambda: seen[0]

    assert outcomes(program) == {0, 1}


def test_a_future_can_be_used_alone() -> None:
    def program() -> Any:
        future: Future[int] = Future()
        got: list[int] = []
        return [lambda: got.append(future.result()), lambda: future.set_result(3)], lambda: got[0]

    assert outcomes(program, bound=2) == {3}


def test_a_task_that_waits_for_a_task_behind_it_is_a_deadlock() -> None:
    def program() -> Any:
        def work() -> None:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(lambda: pool.submit(int).result()).result()

        return [work], lambda: None

    assert plainly(program).outcome == "deadlock"


def test_a_pool_that_is_dropped_when_its_run_is_over_does_not_wait() -> None:
    """Its finalizer tells its workers, one of which may stand in the midst of looking for work."""
    kept: list[Any] = []

    def use() -> None:
        kept.append(ThreadPoolExecutor(1))
        kept[0].submit(int)
        for _ in range(len(runs)):
            time.sleep(0)

    runs: list[int] = []
    with patched():
        simulation = Simulation()
        for _ in range(40):
            simulation.run({1: use}, RandomWalk(0))
            kept.clear()
            simulation.finish()
            runs.append(len(runs))


def test_those_who_wait_for_some_futures_do_so_in_one_order() -> None:
    def program() -> Any:
        pool = ThreadPoolExecutor(2)

        def work() -> None:
            kept = [object() for _ in range(len(runs) * 37 % 11)]  # addresses differ from run to run
            futures = [pool.submit(int) for _ in range(3)]
            wait(futures, return_when=FIRST_COMPLETED)
            list(as_completed(futures))
            runs.append(len(kept))

        return [work, lambda: pool.submit(int) and None], lambda: "done"

    runs: list[int] = []
    assert {one.outcome for one in executions(program, PreemptionBound(1), runs=300)} == {"done"}
