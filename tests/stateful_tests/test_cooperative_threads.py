"""Threads that the code under test starts run as simulated threads, and show what goes wrong between them."""

from __future__ import annotations

import _thread
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cooperating import alone, executions, outcomes, plainly

from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget, patched
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound

pytestmark = pytest.mark.interpreter


class Adder(threading.Thread):
    """Made before anything is replaced."""

    def __init__(self, log: list[int], value: int) -> None:
        super().__init__()
        self.log, self.value = log, value

    def run(self) -> None:
        self.log.append(self.value)


def joined(join: Callable[[threading.Thread], Any], bound: int = 2) -> set[Any]:
    """What is there when `join` has returned for each of two threads."""

    def program() -> Any:
        def work() -> None:
            threads = [Adder(log, value) for value in (1, 2)]
            for thread in threads:
                thread.start()
            time.sleep(0)  # a place to switch
            for thread in threads:
                join(thread)
            seen.append(tuple(sorted(log)))

        log: list[int] = []
        seen: list[Any] = []
        return [work], lambda: seen[0]

    return outcomes(program, bound=bound)


def test_a_join_waits_for_the_end() -> None:
    assert joined(lambda thread: thread.join()) == {(1, 2)}


def test_a_join_that_was_forgotten_is_seen() -> None:
    assert joined(lambda thread: None) == {(), (1,), (2,), (1, 2)}


def test_a_join_that_gives_up_has_joined_nothing() -> None:
    assert joined(lambda thread: thread.join(0)) == {(), (1,), (2,), (1, 2)}


def test_is_alive_tells_whether_it_has_ended() -> None:
    assert joined(lambda thread: [None for _ in iter(thread.is_alive, False)], bound=0) == {(1, 2)}


def test_a_thread_knows_and_shows_itself() -> None:
    def work() -> Any:
        def run() -> None:
            me = threading.current_thread()
            seen.append((me is thread, me.ident == threading.get_ident() == _thread.get_ident()))
            seen.append((thread in threading.enumerate(), threading.active_count(), me.is_alive()))

        seen: list[Any] = []
        thread = threading.Thread(target=run, name="worker", daemon=True)
        assert (thread.ident, thread.is_alive(), threading.active_count()) == (None, False, 1)
        with pytest.raises(RuntimeError, match="cannot join thread before it is started"):
            thread.join()
        thread.start()
        assert thread.is_alive()
        assert thread.ident not in (None, threading.get_ident())
        assert thread.native_id == thread.ident
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
        thread.join()
        assert (thread.is_alive(), thread.name, thread.daemon) == (False, "worker", True)
        assert threading.current_thread() is threading.main_thread()
        assert threading.enumerate() == [threading.main_thread()]
        repr(thread)
        return seen

    assert alone(work) == [(True, True), (True, 2, True)]


def test_a_thread_cannot_join_itself() -> None:
    def work() -> Any:
        def run() -> None:
            with pytest.raises(RuntimeError, match="cannot join current thread"):
                threading.current_thread().join()
            seen.append("refused")

        seen: list[str] = []
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return seen

    assert alone(work) == ["refused"]


def test_names_are_the_same_in_each_execution() -> None:
    def program() -> Any:
        names = [threading.Thread(target=print).name for _ in range(2)]
        return [lambda: None] * 2, lambda: tuple(names)

    assert outcomes(program) == {("Thread-1 (print)", "Thread-2 (print)")}


def test_a_set_of_threads_has_one_order() -> None:
    def program() -> Any:
        threads = {threading.Thread(name=str(i)) for i in range(20)}
        return [lambda: None] * 2, lambda: " ".join(thread.name for thread in threads)

    assert len(outcomes(program)) == 1


def test_a_local_is_new_in_a_thread_and_in_the_next_execution() -> None:
    local = None

    def program() -> Any:
        nonlocal local
        local = local or threading.local()
        fresh = []

        def work() -> None:
            fresh.append(not vars(local))
            local.value = 1  # type: ignore[attr-defined]

        def start() -> None:
            work()
            threading.Thread(target=work).start()

        return [start, start], lambda: tuple(fresh)

    assert outcomes(program, bound=0) <= {(True,) * n for n in range(2, 5)}


def test_a_property_of_a_local_is_asked() -> None:
    def work() -> Any:
        class Doubled(threading.local):
            @property
            def value(self) -> int:
                return self._value * 2

            @value.setter
            def value(self, value: int) -> None:
                self._value = value

        local = Doubled()
        local.value = 4
        return local.value, vars(local)

    assert alone(work) == (8, {"_value": 4})


def test_start_new_thread() -> None:
    def program() -> Any:
        done = threading.Lock()
        done.acquire()
        log: list[Any] = []

        def run(value: int, *, then: str) -> None:
            log.append((value, then, threading.get_ident()))
            done.release()
            _thread.exit()

        def work() -> None:
            ident = _thread.start_new_thread(run, (1,), {"then": "x"})
            done.acquire()
            log.append(ident)

        return [work], lambda: (log[0][:2], log[0][2] == log[1])

    assert outcomes(program) == {((1, "x"), True)}


def test_a_timer_may_go_off_while_others_work_and_can_be_cancelled() -> None:
    def program(cancel: bool) -> Any:
        log: list[str] = []

        def work() -> None:
            timer = threading.Timer(30, lambda: log.append("rings"))
            timer.start()
            for _ in range(2):
                time.sleep(0)
            log.append("works")
            if cancel:
                timer.cancel()
            timer.join()

        return [work], lambda: tuple(log)

    assert outcomes(lambda: program(False)) == {("rings", "works"), ("works", "rings")}
    assert outcomes(lambda: program(True)) == {("rings", "works"), ("works",), ("works", "rings")}


def test_a_thread_of_the_constructor_is_there_when_the_object_is_used() -> None:
    class Doubler:
        """Its constructor waits for its thread."""

        def __init__(self) -> None:
            self.changed, self.ready = threading.Condition(), threading.Event()
            self.jobs: list[int] = []
            self.answers: list[int] = []
            threading.Thread(target=self.work, daemon=True).start()
            self.ready.wait()

        def work(self) -> None:
            self.ready.set()
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: self.jobs)
                    self.answers.append(2 * self.jobs.pop())
                    self.changed.notify_all()

        def double(self, value: int) -> int:
            with self.changed:
                self.jobs.append(value)
                self.changed.notify_all()
                self.changed.wait_for(lambda: 2 * value in self.answers)
                return 2 * value

    def program() -> Any:
        doubler, got = Doubler(), []
        calls = [lambda: got.append(doubler.double(1)), lambda: got.append(doubler.double(2))]
        return calls, lambda: sorted([*got, doubler.double(3)])

    found = executions(program, PreemptionBound(1))
    assert len(found) > 20
    assert {tuple(one.outcome) for one in found} == {(2, 4, 6)}
    assert {one.held for one in found} == {()}


def test_a_notification_that_nobody_awaits_yet_is_missed() -> None:
    def program() -> Any:
        changed, ready = threading.Condition(), []

        def worker() -> None:
            with changed:
                ready.append(True)
                changed.notify()

        def work() -> None:
            threading.Thread(target=worker).start()
            seen = bool(ready)  # read without the lock: that is the bug
            with changed:
                if not seen:
                    changed.wait()

        return [work], lambda: "served"

    assert outcomes(program) == {"served", "deadlock"}


def test_a_barrier_of_the_wrong_size_is_a_deadlock_that_names_who_waits() -> None:
    def program() -> Any:
        barrier = threading.Barrier(3)

        def work() -> None:
            thread = threading.Thread(target=barrier.wait, name="the other")
            thread.start()
            barrier.wait()

        return [work], lambda: "through"

    found = plainly(program)
    assert found.outcome == "deadlock"
    assert {wait.thread for wait in found.ending.waits} == {1, 11}
    assert all(wait.target.startswith("the notification awaited at ") for wait in found.ending.waits)


def test_a_join_that_never_returns_names_the_thread() -> None:
    def program() -> Any:
        def work() -> None:
            thread = threading.Thread(target=threading.Semaphore(0).acquire, name="stuck")
            thread.start()
            thread.join()

        return [work], lambda: None

    waits = plainly(program).ending.waits
    assert [(wait.target, wait.holder) for wait in waits if wait.thread == 1] == [("the end of stuck", 11)]


def test_an_exception_that_leaves_a_thread_is_kept_and_the_others_go_on() -> None:
    def program() -> Any:
        def work() -> None:
            thread = threading.Thread(target=lambda: 1 // 0, name="divider")
            thread.start()
            thread.join()
            quits = threading.Thread(target=lambda: sys.exit(3))
            quits.start()
            quits.join()

        return [work], lambda: "went on"

    found = plainly(program)
    assert found.outcome == "went on"
    assert found.uncaught == ("divider: ZeroDivisionError('integer division or modulo by zero')",)
    assert plainly(lambda: ([], lambda: None)).uncaught == ()


def test_threads_that_wait_for_work_are_no_deadlock_and_do_not_pile_up() -> None:
    def program() -> Any:
        for _ in range(2):
            threading.Thread(target=threading.Semaphore(0).acquire).start()
        return [lambda: None], threading.active_count

    assert outcomes(program, bound=1) == {3}


def test_outside_of_a_run_no_thread_is_started() -> None:
    with patched(), pytest.raises(UnsupportedTarget, match="outside of a run"):
        threading.Thread(target=print).start()


def test_a_real_thread_can_be_joined_meanwhile() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    with patched():
        thread.join()
        assert not thread.is_alive()
