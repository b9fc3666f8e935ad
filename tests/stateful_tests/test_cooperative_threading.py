"""Simulated threads see a `threading` that behaves as the real one does, as far as one can tell from inside."""

from __future__ import annotations

import _thread
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from exploring import explore, once, outcomes

from mapproof.stateful_tests.explorer.cooperative_threading import patched
from mapproof.stateful_tests.explorer.cooperative_threading.patching import REPLACEMENTS
from mapproof.stateful_tests.explorer.endings import Outcome
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule

pytestmark = pytest.mark.interpreter

Work = Callable[[], None]


def alone(work: Work) -> None:
    """Run `work` as the only simulated thread, to its end."""
    ending, _ = once(lambda: ([work], lambda: None), Replay(Schedule()))
    assert ending.outcome is Outcome.FINISHED


def everywhere(program: Callable[[], Any]) -> set[Any]:
    """The outcomes over all schedules with few preemptions."""
    return outcomes(program, bound=3)


def test_a_lock_excludes() -> None:
    def program() -> Any:
        lock, inside, seen = threading.Lock(), [0], []

        def work() -> None:
            with lock:
                inside[0] += 1
                time.sleep(0)  # a place to switch
                seen.append(inside[0])
                inside[0] -= 1

        return [work, work, work], lambda: tuple(seen)

    assert everywhere(program) == {(1, 1, 1)}


def test_without_a_lock_the_same_is_not_excluded() -> None:
    def program() -> Any:
        inside, seen = [0], []

        def work() -> None:
            inside[0] += 1
            time.sleep(0)
            seen.append(inside[0])
            inside[0] -= 1

        return [work, work], lambda: tuple(seen)

    assert (2, 1) in everywhere(program)


def test_a_lock_alone() -> None:
    def work() -> None:
        lock = threading.Lock()
        assert lock.acquire()
        assert lock.locked()
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=1000)
        lock.release()
        assert not lock.locked()
        assert lock.acquire(False)
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()

    alone(work)


def test_a_lock_may_be_released_by_another_thread() -> None:
    def program() -> Any:
        lock = threading.Lock()

        def take_twice() -> None:
            lock.acquire()
            lock.acquire()

        return [take_twice, lambda: lock.release() if lock.locked() else None], lambda: "finished"

    assert everywhere(program) == {"finished", "deadlock"}


def test_an_rlock_counts() -> None:
    def work() -> None:
        lock = threading.RLock()
        for _ in range(3):
            lock.acquire()
        assert lock._is_owned()  # type: ignore[attr-defined]
        for _ in range(3):
            lock.release()
        assert not lock._is_owned()  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
            lock.release()

    alone(work)


def test_an_rlock_belongs_to_its_thread() -> None:
    def program() -> Any:
        lock, answers = threading.RLock(), []

        def own() -> None:
            with lock, lock:
                time.sleep(0)
                answers.append("own")

        def other() -> None:
            if not lock.acquire(blocking=False):
                answers.append("busy")
                with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
                    lock.release()
                return
            answers.append("free")
            lock.release()

        return [own, other], lambda: tuple(answers)

    assert everywhere(program) == {
        ("own", "free"),
        ("free", "own"),
        ("busy", "own"),
        ("own", "busy"),
    }


def test_an_rlock_is_given_back_whole_while_waiting() -> None:
    def program() -> Any:
        changed, log = threading.Condition(threading.RLock()), []

        def wait() -> None:
            with changed, changed:
                log.append("waits")
                changed.wait()
                log.append("woken")

        def notify() -> None:
            with changed:
                log.append("notifies")
                changed.notify()

        return [wait, notify], lambda: tuple(log)

    assert everywhere(program) == {("waits", "notifies", "woken"), "deadlock"}


def test_a_condition_with_a_predicate_misses_no_wakeup() -> None:
    def program() -> Any:
        changed, box, got = threading.Condition(), [], []

        def put() -> None:
            with changed:
                box.append(len(box))
                changed.notify()

        def take() -> None:
            with changed:
                changed.wait_for(lambda: box)
                got.append(box.pop())

        return [take, put, take, put], lambda: len(got)

    found = explore(program, PreemptionBound(1))
    assert {(ending.outcome, got) for ending, got in found} == {(Outcome.FINISHED, 2)}


def test_a_condition_refuses_what_the_real_one_refuses() -> None:
    def work() -> None:
        changed = threading.Condition()
        with pytest.raises(RuntimeError, match="cannot wait on un-acquired lock"):
            changed.wait()
        with pytest.raises(RuntimeError, match="cannot notify on un-acquired lock"):
            changed.notify()

    alone(work)


def test_an_event() -> None:
    def program() -> Any:
        event, log = threading.Event(), []

        def wait() -> None:
            assert event.wait()
            log.append("after")

        def work() -> None:
            log.append("before")
            event.set()

        return [wait, work, wait], lambda: tuple(log)

    assert everywhere(program) == {("before", "after", "after")}


@pytest.mark.parametrize(("count", "most"), [(1, 1), (2, 2), (3, 3)])
def test_a_semaphore_lets_so_many_in(count: int, most: int) -> None:
    def program() -> Any:
        semaphore, inside, seen = threading.Semaphore(count), [0], []

        def work() -> None:
            with semaphore:
                inside[0] += 1
                time.sleep(0)
                seen.append(inside[0])
                inside[0] -= 1

        return [work] * 3, lambda: max(seen)

    found = outcomes(program, bound=1)
    assert max(found) == most
    assert min(found) == 1


def test_a_bounded_semaphore_refuses_too_many_releases() -> None:
    def work() -> None:
        semaphore = threading.BoundedSemaphore(1)
        assert semaphore.acquire()
        assert not semaphore.acquire(blocking=False)
        semaphore.release()
        with pytest.raises(ValueError, match="released too many times"):
            semaphore.release()

    alone(work)


def test_a_barrier_lets_nobody_through_before_all_are_there() -> None:
    def program() -> Any:
        barrier, log = threading.Barrier(3), []

        def work() -> None:
            log.append("before")
            barrier.wait()
            log.append("after")

        return [work] * 3, lambda: tuple(log)

    found = explore(program, PreemptionBound(1))
    assert {(ending.outcome, log) for ending, log in found} == {
        (Outcome.FINISHED, ("before",) * 3 + ("after",) * 3)
    }


def test_a_barrier_that_misses_one_is_a_deadlock() -> None:
    def program() -> Any:
        barrier = threading.Barrier(3)
        return [barrier.wait] * 2, lambda: "finished"

    assert everywhere(program) == {"deadlock"}


@pytest.mark.parametrize("look", ["locked", "is_set", "broken", "n_waiting", "acquire"])
def test_a_look_at_the_state_of_a_lock_is_an_access(look: str) -> None:
    def program() -> Any:
        lock, event, barrier, seen = threading.Lock(), threading.Event(), threading.Barrier(2), []
        looks: dict[str, Callable[[], Any]] = {
            "locked": lock.locked,
            "is_set": event.is_set,
            "broken": lambda: barrier.broken,
            "n_waiting": lambda: barrier.n_waiting,
            "acquire": lambda: not lock.acquire(blocking=False),
        }
        changes: dict[str, Callable[[], Any]] = {"is_set": event.set, "broken": barrier.abort}
        change = changes.get(look, barrier.wait if look == "n_waiting" else lock.acquire)
        return [lambda: seen.append(looks[look]()), change], lambda: bool(seen[0])

    assert {seen for _, seen in explore(program, PreemptionBound(1))} == {False, True}


def test_a_local_differs_from_thread_to_thread() -> None:
    def program() -> Any:
        local, seen = threading.local(), []

        def work(me: int) -> Work:
            def run() -> None:
                assert not hasattr(local, "me")
                local.me = me
                time.sleep(0)
                seen.append(local.me == me and vars(local) == {"me": me})
                del local.me
                with pytest.raises(AttributeError, match="me"):
                    del local.me

            return run

        return [work(1), work(2)], lambda: tuple(seen)

    assert everywhere(program) == {(True, True)}


def test_a_subclass_of_local_begins_anew_in_each_thread() -> None:
    def program() -> Any:
        class Counter(threading.local):
            step = 1

            def __init__(self, start: int, *, by: int) -> None:
                self.value = start + by

            def count(self) -> int:
                self.value += self.step
                return self.value

        counter, seen = Counter(10, by=5), []

        def work() -> None:
            seen.append(counter.count())
            time.sleep(0)
            seen.append(counter.count())

        return [work, work], lambda: (*sorted(seen), counter.value)

    assert everywhere(program) == {(16, 16, 17, 17, 15)}


def test_each_thread_knows_who_it_is() -> None:
    def program() -> Any:
        seen = []

        def work() -> None:
            me = threading.current_thread()
            assert me is threading.current_thread()
            assert me in threading.enumerate()
            assert me.ident == threading.get_ident() == _thread.get_ident() != 0
            assert me.is_alive()
            assert not me.daemon
            seen.append((me.name, threading.get_ident()))

        return [work, work], lambda: tuple(seen)

    assert everywhere(program) == {
        (("client-1", 2), ("client-2", 3)),
        (("client-2", 3), ("client-1", 2)),
    }


def test_sleep_takes_no_time_and_lets_the_others_go_first() -> None:
    def program() -> Any:
        log: list[str] = []

        def sleeps() -> None:
            log.append("one")
            time.sleep(1000)
            log.append("three")

        return [sleeps, lambda: log.append("two")], lambda: tuple(log)

    started = time.monotonic()
    ending, log = once(program, Replay(Schedule()))
    assert (log, ending.schedule) == (("one", "two", "three"), Schedule())
    assert time.monotonic() - started < 10


def test_a_timeout_gives_up_only_when_nothing_else_can_go_on() -> None:
    def program() -> Any:
        lock, log = threading.Lock(), []

        def hold() -> None:
            with lock:
                for _ in range(50):
                    time.sleep(0)
                log.append("held")

        def wait() -> None:
            log.append("got it" if lock.acquire(timeout=1e-9) else "gave up")

        return [hold, wait], lambda: tuple(log)

    # The second keeps what it got, so where it comes first the other one waits for ever.
    assert everywhere(program) == {("held", "got it"), "deadlock"}


def test_timeouts_that_nobody_can_serve_run_out() -> None:
    def work() -> None:
        changed, event = threading.Condition(), threading.Event()
        with changed:
            assert not changed.wait(timeout=1000)
        assert not event.wait(timeout=1000)
        assert not threading.Semaphore(0).acquire(timeout=1000)
        with pytest.raises(threading.BrokenBarrierError):
            threading.Barrier(2).wait(timeout=1000)
        with changed:
            assert not changed.wait_for(lambda: False, timeout=1000)
        with pytest.raises(queue.Empty):
            queue.Queue[int]().get(timeout=1000)

    started = time.monotonic()
    alone(work)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("timeouts", "logs"), [((1000, 0.001), {(2, 1)}), ((0.5, 0.5), {(1, 2), (2, 1)}), ((1, 2), {(1, 2)})]
)
def test_the_timeout_that_is_over_first_runs_out_first(timeouts: Any, logs: Any) -> None:
    def program() -> Any:
        semaphore, log = threading.Semaphore(0), []

        def work(me: int, timeout: float) -> Work:
            def run() -> None:
                assert not semaphore.acquire(timeout=timeout)
                log.append(me)

            return run

        return [work(me, timeout) for me, timeout in enumerate(timeouts, 1)], lambda: tuple(log)

    first, again = (explore(program, PreemptionBound(1)) for _ in range(2))
    assert first == again
    assert {ending.outcome for ending, _ in first} == {Outcome.FINISHED}
    assert {log for _, log in first} == logs


def test_everything_is_given_back_after_an_error() -> None:
    def real() -> list[Any]:
        return [vars(owner).get(name) for owner, name, _ in REPLACEMENTS]

    before = real()
    with pytest.raises(ZeroDivisionError), patched():
        assert real() != before
        raise ZeroDivisionError
    assert real() == before
    assert type(threading.Lock()) is type(_thread.allocate_lock())


def test_outside_of_a_simulation_they_are_ordinary_locks() -> None:
    with patched():
        lock, rlock, event = threading.Lock(), threading.RLock(), threading.Event()
    with lock, rlock, rlock:
        assert not lock.acquire(timeout=0.01)
    event.set()
    assert event.wait()
    assert "test_cooperative_threading.py" in lock.name  # type: ignore[attr-defined]
