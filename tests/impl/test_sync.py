"""The primitives: what Go's own tests of sync.Mutex, RWMutex, Once and sync/atomic assert under real threads, and
little programs around each in every schedule within a bound of preemptions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from mutants import Detector
from mutants_sync import SCENARIOS
from rooms import OnceRoom, Room, RWMutexRoom, complaints

from mapproof.impl.rwmutex_invariants import RWMutexWatch
from mapproof.impl.sync import (
    Atomic,
    AtomicInt,
    FatalError,
    Mutex,
    Once,
    Plain,
    PlainDict,
    RWMutex,
    RWMutexState,
    Semaphore,
)
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound

Run = Callable[..., None]
Until = Callable[[Callable[[], bool]], None]


def start(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def increments(run: Run, increment: Callable[[], object]) -> None:
    run(*[lambda: [increment() for _ in range(500)]] * 4)


def test_add_loses_nothing(run_threads: Run) -> None:
    counter = AtomicInt(0)
    increments(run_threads, lambda: counter.add(1))
    assert counter.load() == 2000


def test_a_counter_that_reads_then_writes_loses_some(run_threads: Run) -> None:
    counter = Plain(0)

    def torn() -> None:
        value = counter.read()
        time.sleep(0)
        counter.write(value + 1)

    increments(run_threads, torn)
    assert counter.read() < 2000


def test_compare_and_swap_has_one_winner_a_value(run_threads: Run) -> None:
    word = Atomic(0)

    def increment() -> None:
        while not word.compare_and_swap(value := word.load(), value + 1):
            pass

    increments(run_threads, increment)
    assert word.load() == 2000


def test_swap_hands_each_value_to_one(run_threads: Run) -> None:
    word, taken = Atomic(-1), list[int]()

    def swaps(first: int) -> None:
        taken.extend([word.swap(first + number) for number in range(500)])

    run_threads(*[lambda first=first: swaps(first) for first in (0, 500, 1000)])
    assert sorted([*taken, word.load()]) == list(range(-1, 1500))


def test_compare_and_swap_compares_by_equality() -> None:
    word = Atomic("a")
    assert not word.compare_and_swap("b", "c")
    assert word.compare_and_swap("a", "c")
    assert word.peek() == "c"


def test_mutex_excludes(run_threads: Run) -> None:
    mutex, counter = Mutex(), Plain(0)

    def increment() -> None:
        with mutex:
            value = counter.read()
            time.sleep(0)
            counter.write(value + 1)

    increments(run_threads, increment)
    assert counter.read() == 2000


def test_mutex_try_lock() -> None:
    mutex = Mutex()
    assert mutex.try_lock()
    assert not mutex.try_lock()
    assert mutex.locked()
    mutex.unlock()
    assert not mutex.locked()
    assert mutex.try_lock()


def test_any_thread_may_unlock(run_threads: Run) -> None:
    mutex, rwmutex = Mutex(), RWMutex()
    mutex.lock()
    rwmutex.rlock()
    run_threads(mutex.unlock, rwmutex.runlock)
    assert not mutex.locked()
    assert rwmutex.at_rest()


def test_semaphore_admits_as_many_as_were_released(run_threads: Run) -> None:
    semaphore = Semaphore()
    run_threads(*[semaphore.acquire] * 5, *[semaphore.release] * 6)
    assert semaphore.peek() == 1


@pytest.mark.parametrize(
    ("misuse", "words"),
    [
        (lambda: Mutex().unlock(), "fatal error: sync: unlock of unlocked mutex"),
        (lambda: RWMutex().unlock(), "fatal error: sync: Unlock of unlocked RWMutex"),
        (lambda: RWMutex().runlock(), "fatal error: sync: RUnlock of unlocked RWMutex"),
    ],
)
def test_misuse_is_fatal_in_gos_words(misuse: Callable[[], None], words: str) -> None:
    with pytest.raises(FatalError) as raised:
        try:
            misuse()
        except Exception:  # noqa: BLE001 this is what must not catch it
            pytest.fail("a fatal error must pass `except Exception`")
    assert str(raised.value) == words
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_each_unlock_of_the_other_kind_is_fatal() -> None:
    written, read = RWMutex(), RWMutex()
    written.lock()
    with pytest.raises(FatalError, match="RUnlock of unlocked RWMutex"):
        written.runlock()
    read.rlock()
    with pytest.raises(FatalError, match="Unlock of unlocked RWMutex"):
        read.unlock()


@pytest.mark.parametrize(
    ("held", "try_lock", "try_rlock"),
    [
        ("nothing", True, True),
        ("one reader", False, True),
        ("two readers", False, True),
        ("writer", False, False),
    ],
)
def test_rwmutex_try_forms(held: str, try_lock: bool, try_rlock: bool) -> None:
    def make() -> RWMutex:
        rwmutex = RWMutex()
        match held:
            case "one reader":
                rwmutex.rlock()
            case "two readers":
                rwmutex.rlock()
                rwmutex.rlock()
            case "writer":
                rwmutex.lock()
        return rwmutex

    assert make().try_lock() is try_lock
    assert make().try_rlock() is try_rlock


def test_a_failed_try_lock_leaves_no_trace() -> None:
    rwmutex = RWMutex()
    rwmutex.rlock()
    assert not rwmutex.try_lock()
    rwmutex.runlock()
    assert rwmutex.at_rest()
    rwmutex.lock()
    assert not rwmutex.try_lock()
    assert not rwmutex.at_rest()
    rwmutex.unlock()
    assert rwmutex.at_rest()


@pytest.mark.parametrize("readers", [1, 3, 4])
def test_readers_hold_it_at_once(readers: int, run_threads: Run) -> None:
    rwmutex, all_inside = RWMutex(), threading.Barrier(readers)

    def read() -> None:
        with rwmutex.reading():
            all_inside.wait(10)

    run_threads(*[read] * readers)


WRITER = 10_000


def hammer(rwmutex: Any, run: Run) -> list[str]:
    """Go's HammerRWMutex: what a writer or a reader saw beside itself that it must not see."""
    activity, wrong = AtomicInt(0), list[str]()

    def write() -> None:
        for _ in range(100):
            with rwmutex.writing():
                if (now := activity.add(WRITER)) != WRITER:
                    wrong.append(f"writer saw {now}")
                time.sleep(0)
                activity.add(-WRITER)

    def read() -> None:
        for _ in range(100):
            with rwmutex.reading():
                if not 1 <= (now := activity.add(1)) < WRITER:
                    wrong.append(f"reader saw {now}")
                time.sleep(0)
                activity.add(-1)

    run(write, write, read, read, read)
    return wrong


def test_rwmutex_hammer(run_threads: Run) -> None:
    rwmutex = RWMutex()
    assert hammer(rwmutex, run_threads) == []
    assert rwmutex.at_rest()


def test_the_hammer_finds_a_writer_that_does_not_wait_for_readers(run_threads: Run) -> None:
    class Impatient(RWMutex):
        def lock(self) -> None:
            self._w.lock()
            active = self._reader_count.add(-self.MAX_READERS) + self.MAX_READERS
            self._reader_wait.add(active)

    assert hammer(Impatient(), run_threads) != []


def test_a_pending_writer_stops_new_readers_but_not_old_ones(until: Until) -> None:
    rwmutex, order = RWMutex(), list[str]()

    def write() -> None:
        with rwmutex.writing():
            order.append("writer")

    def read() -> None:
        with rwmutex.reading():
            order.append("reader")

    rwmutex.rlock()
    rwmutex.rlock()
    writer = start(write)
    until(lambda: rwmutex._reader_wait.peek() == 2)
    assert not rwmutex.try_rlock()
    reader = start(read)
    until(lambda: rwmutex._reader_count.peek() + RWMutex.MAX_READERS == 3)
    rwmutex.runlock()
    assert order == []
    rwmutex.runlock()
    writer.join(10)
    reader.join(10)
    assert order == ["writer", "reader"]
    assert rwmutex.at_rest()


def test_readers_that_queued_behind_a_writer_enter_before_the_next_one(until: Until) -> None:
    rwmutex, order, leave = RWMutex(), list[str](), threading.Event()

    def read() -> None:
        with rwmutex.reading():
            order.append("reader")
            leave.wait(10)

    def write() -> None:
        with rwmutex.writing():
            order.append("second writer")

    rwmutex.lock()
    readers = [start(read), start(read)]
    until(lambda: rwmutex._reader_count.peek() + RWMutex.MAX_READERS == 2)
    writer = start(write)
    rwmutex.unlock()
    until(lambda: rwmutex._reader_wait.peek() == 2 and len(order) == 2)
    assert order == ["reader", "reader"]
    leave.set()
    for thread in [*readers, writer]:
        thread.join(10)
    assert order == ["reader", "reader", "second writer"]


def test_a_plain_dictionary_notices_a_change_of_size_during_iteration() -> None:
    items: PlainDict[str, int] = PlainDict()
    items["a"] = 1
    with pytest.raises(RuntimeError, match="changed size"):
        for key, value in items.items():
            assert items.pop(key) == value
            items["b"] = 1
            items["c"] = 1


def test_the_read_lock_as_a_lock_of_its_own(run_threads: Run) -> None:
    rwmutex, all_inside = RWMutex(), threading.Barrier(3)

    def read() -> None:
        with rwmutex.rlocker():
            all_inside.wait(10)

    run_threads(*[read] * 3)
    assert rwmutex.at_rest()
    with rwmutex.rlocker():
        assert not rwmutex.try_lock()
    with rwmutex.writing(), pytest.raises(FatalError, match="RUnlock of unlocked RWMutex"):
        rwmutex.rlocker().unlock()


def test_what_once_did_is_there_for_all_who_come_back_from_it(run_threads: Run) -> None:
    once, made, seen = Once(), list[str](), list[list[str]]()

    def slowly() -> None:
        time.sleep(0.01)
        made.append("made")

    def come() -> None:
        once.do(slowly)
        seen.append(list(made))

    run_threads(*[come] * 8)
    assert seen == [["made"]] * 8


def test_a_call_that_fails_counts_as_done() -> None:
    once, calls = Once(), list[str]()

    def fail() -> None:
        calls.append("failed")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once.do(fail)
    once.do(lambda: calls.append("again"))
    assert calls == ["failed"]


def found(make: Callable[[], Room], programs: tuple[str, ...], bound: int = 2) -> set[tuple[Detector, str]]:
    """What any detector says in any schedule within the bound."""
    strategy, result = PreemptionBound(bound), set[tuple[Detector, str]]()
    while strategy.begin():
        result.update(complaints(make(), programs, strategy))
    return result


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_wrong_in_any_schedule(name: str) -> None:
    make, programs = SCENARIOS[name]
    assert found(make, programs) == set()


def test_a_reader_that_reads_again_may_wait_for_a_writer_that_waits_for_it() -> None:
    wrong = found(RWMutexRoom, ("read_in_read", "write"))
    assert {detector for detector, _ in wrong} == {Detector.DEADLOCK}
    assert wrong == {
        (
            Detector.DEADLOCK,
            "client 1 waits to acquire rwmutex.readerSem; client 2 waits to acquire rwmutex.writerSem",
        )
    }
    assert found(RWMutexRoom, ("read_in_read", "read")) == set()


def test_a_reader_that_would_write_waits_for_itself() -> None:
    assert found(RWMutexRoom, ("write_in_read",)) == {
        (Detector.DEADLOCK, "client 1 waits to acquire rwmutex.writerSem")
    }


def test_a_call_within_a_call_of_the_same_once_waits_for_itself() -> None:
    class Nested(OnceRoom):
        def _first(self) -> None:
            self.once.do(self._rearrange)

    assert found(Nested, ("do",)) == {
        (Detector.DEADLOCK, "client 1 waits to lock once.m, which it holds itself")
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (RWMutexState(True, RWMutex.MAX_READERS, 0, 0, 0), "R1: readerCount is 1073741824"),
        (RWMutexState(True, -RWMutex.MAX_READERS - 1, 0, 0, 0), "R1: readerCount is -1073741825"),
        (RWMutexState(False, -1, 0, 0, 0), "R2: a writer has announced itself, but nobody holds w"),
        (
            RWMutexState(True, 1, 1, 0, 0),
            "R3: no writer has announced itself, but readerWait is 1, writerSem 0",
        ),
        (
            RWMutexState(True, 1, 0, 1, 0),
            "R3: no writer has announced itself, but readerWait is 0, writerSem 1",
        ),
        (RWMutexState(False, 1, 0, 0, 2), "R4: readerSem admits 2 readers, 1 are counted"),
        (RWMutexState(True, -RWMutex.MAX_READERS, 0, 2, 0), "R4: writerSem admits 2 writers"),
    ],
)
def test_words_that_cannot_be_are_named(words: RWMutexState, sentence: str) -> None:
    rwmutex = RWMutex()
    watch = RWMutexWatch(rwmutex)
    watch.look()
    if words.w:
        rwmutex._w.lock()
    rwmutex._reader_count.store(words.reader_count)
    rwmutex._reader_wait.store(words.reader_wait)
    rwmutex._writer_sem._count = words.writer_sem
    rwmutex._reader_sem._count = words.reader_sem
    assert rwmutex.peek() == words
    with pytest.raises(AssertionError, match=f"^{sentence}$"):
        watch.look()


def test_the_watch_knows_for_whom_a_writer_waits() -> None:
    rwmutex = RWMutex()
    watch = RWMutexWatch(rwmutex)
    may_be_inside = list[bool]()
    for act in [
        lambda: None,
        rwmutex.rlock,
        rwmutex.rlock,
        lambda: rwmutex._w.lock(),
        lambda: rwmutex._reader_count.add(-RWMutex.MAX_READERS),  # a writer announces itself
        rwmutex.runlock,
        lambda: rwmutex._reader_count.add(1),  # a reader queues
        rwmutex.runlock,
        lambda: rwmutex._reader_count.add(RWMutex.MAX_READERS),
    ]:
        act()
        if rwmutex.peek().reader_count >= 0:
            rwmutex._reader_wait.store(0)  # what the writer would have done
            rwmutex._writer_sem._count = 0
        watch.look()
        may_be_inside.append(watch.writer_may_be_inside)
    assert may_be_inside == [False] * 7 + [True, False]
