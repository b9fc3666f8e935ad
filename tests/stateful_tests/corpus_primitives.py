"""Programs that share nothing but locks and primitives of `impl.sync`, which alone are switch points."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from corpus import Corpus, Made, state

from mapproof.impl.sync import (
    Atomic,
    AtomicInt,
    FatalError,
    Mutex,
    Once,
    Plain,
    PlainFlags,
    RWMutex,
    Semaphore,
)

program = Corpus()


def told(*works: Any) -> Made:
    """Each thread appends to a list of its own, which it is given; the outcome is all of them."""
    lists: list[list[Any]] = [[] for _ in works]
    tasks = [partial(work, mine) for work, mine in zip(works, lists, strict=True)]
    return tasks, lambda: tuple(map(tuple, lists))


# -- atomics and plain memory


def increment(cell: Atomic[int], me: int) -> None:
    cell.store(cell.load() + 1)


@program
def lost_update() -> Made:
    cell = Atomic(0)
    return state(cell.peek, increment, increment, shared=[cell])


@program
def lost_update_of_three() -> Made:
    cell = Atomic(0)
    return state(cell.peek, increment, increment, increment, shared=[cell])


def increment_thrice(cell: Atomic[int], me: int) -> None:
    for _ in range(3):
        increment(cell, me)


@program
def three_lost_updates() -> Made:
    cell = Atomic(0)
    return state(cell.peek, increment_thrice, increment_thrice, shared=[cell])


@program
def get_or_create() -> Made:
    cell: Atomic[int | None] = Atomic(None)

    def work(mine: list[Any]) -> None:
        if cell.load() is None:
            cell.store(id(mine))
        mine.append(cell.load() == id(mine))

    return told(work, work)


@program
def message_passing() -> Made:
    data, flag = Plain(0), Atomic(False)

    def send(mine: list[Any]) -> None:
        data.write(1)
        flag.store(True)

    def receive(mine: list[Any]) -> None:
        mine.append((flag.load(), data.read()))

    return told(send, receive)


@program
def message_without_a_flag_first() -> Made:
    data, flag = Plain(0), Atomic(False)

    def send(mine: list[Any]) -> None:
        flag.store(True)
        data.write(1)

    def receive(mine: list[Any]) -> None:
        mine.append((flag.load(), data.read()))

    return told(send, receive)


@program
def store_buffering() -> Made:
    x, y = Atomic(0), Atomic(0)

    def work(one: Atomic[int], other: Atomic[int], mine: list[Any]) -> None:
        one.store(1)
        mine.append(other.load())

    return told(partial(work, x, y), partial(work, y, x))


@program
def load_buffering() -> Made:
    x, y = Atomic(0), Atomic(0)

    def work(one: Atomic[int], other: Atomic[int], mine: list[Any]) -> None:
        mine.append(one.load())
        other.store(1)

    return told(partial(work, x, y), partial(work, y, x))


@program
def independent_reads_of_independent_writes() -> Made:
    x, y = Atomic(0), Atomic(0)

    def read(mine: list[Any]) -> None:
        mine.append((x.load(), y.load()))

    return told(lambda mine: x.store(1), lambda mine: y.store(1), read)


@program
def compare_and_swap_loop() -> Made:
    cell = Atomic(0)

    def work(mine: list[Any]) -> None:
        while not cell.compare_and_swap(old := cell.load(), old + 1):
            mine.append("again")
        mine.append(old)

    return told(work, work)


@program
def swaps() -> Made:
    cell = Atomic("-")
    return told(*[lambda mine, v=v: mine.append(cell.swap(v)) for v in "abc"])


@program
def additions() -> Made:
    cell = AtomicInt(0)
    return told(*[lambda mine, n=n: mine.append(cell.add(n)) for n in (1, 2, 4)])


@program
def flags_and_writes() -> Made:
    flags = PlainFlags()

    def write(me: int) -> None:
        flags.write(flags.read() | 8)

    return state(flags.peek, lambda me: flags.atomic_or(1), lambda me: flags.atomic_or(2), write)


@program
def racy_reads() -> Made:
    cell = Plain(0)

    def read(mine: list[Any]) -> None:
        mine.append((cell.read(), cell.read()))

    return told(read, read, lambda mine: cell.write(1))


# -- locks


@program
def who_was_first() -> Made:
    mutex, order = Mutex(), list[int]()

    def work(me: int) -> None:
        with mutex:
            order.append(me)

    return state(lambda: tuple(order), work, work, work)


@program
def twice_each() -> Made:
    mutex, order = Mutex(), list[int]()

    def work(me: int) -> None:
        for _ in range(2):
            with mutex:
                order.append(me)

    return state(lambda: tuple(order), work, work)


@program
def read_then_write_under_a_lock() -> Made:
    mutex, cell = Mutex(), Plain(0)

    def work(mine: list[Any]) -> None:
        with mutex:
            mine.append(cell.read())
        with mutex:
            cell.write(cell.peek() + 1)

    return told(work, work)


@program
def opposite_mutexes() -> Made:
    one, other, order = Mutex(), Mutex(), list[int]()

    def work(first: Mutex, second: Mutex, me: int) -> None:
        with first, second:
            order.append(me)

    return state(lambda: tuple(order), partial(work, one, other), partial(work, other, one))


@program
def ring_of_three() -> Made:
    forks = [Mutex(), Mutex(), Mutex()]

    order: list[int] = []

    def work(me: int) -> None:
        with forks[me - 1], forks[me % 3]:
            order.append(me)

    return state(lambda: tuple(order), work, work, work)


@program
def blocked_by_a_failed_try() -> Made:
    """The first to try keeps the lock; the other one's try fails, and only then comes one who waits for ever."""
    mutex = Mutex()

    def attempt(mine: list[Any]) -> None:
        mine.append(mutex.try_lock())

    def wait(mine: list[Any]) -> None:
        mutex.lock()
        mine.append("locked")

    return told(attempt, attempt, wait)


@program
def try_or_give_up() -> Made:
    mutex = Mutex()

    def work(mine: list[Any]) -> None:
        if mutex.try_lock():
            mine.append("in")
            mutex.unlock()
        else:
            mine.append("out")

    return told(work, work, work)


@program
def unlocked_by_another() -> Made:
    mutex = Mutex()

    def unlock(mine: list[Any]) -> None:
        try:
            mutex.unlock()
            mine.append("unlocked")
        except FatalError:
            mine.append("fatal")

    def lock(mine: list[Any]) -> None:
        mutex.lock()
        mine.append(mutex.try_lock())

    return told(unlock, lock)


@program
def lock_kept_while_another_reads() -> Made:
    """The one who waits for ever is in a race with who keeps the lock, but the rest goes on beside it."""
    mutex, cell = Mutex(), Atomic(0)

    def look(mine: list[Any]) -> None:
        mine.append(cell.load())

    def keep(mine: list[Any]) -> None:
        mine.append(mutex.try_lock())

    def wait(mine: list[Any]) -> None:
        mutex.lock()
        cell.store(1)

    return told(look, keep, wait)


@program
def reentrant() -> Made:
    lock, order = threading.RLock(), list[int]()

    def work(me: int) -> None:
        with lock, lock:
            order.append(me)

    return state(lambda: tuple(order), work, work, work)


@program
def locked_is_asked() -> Made:
    lock = threading.Lock()

    def ask(mine: list[Any]) -> None:
        mine.append(lock.locked())

    def hold(mine: list[Any]) -> None:
        with lock:
            pass

    return told(ask, hold, ask)


@program
def readers_and_a_writer() -> Made:
    lock, cell = RWMutex(), Plain(0)

    def read(mine: list[Any]) -> None:
        with lock.reading():
            mine.append(cell.read())

    def write(mine: list[Any]) -> None:
        with lock.writing():
            cell.write(1)

    return told(read, write)


@program
def two_writers() -> Made:
    lock, order = RWMutex(), list[int]()

    def write(me: int) -> None:
        lock.lock()
        order.append(me)
        lock.unlock()

    return state(lambda: tuple(order), write, write)


@program
def once() -> Made:
    did, order = Once(), list[int]()

    def work(me: int) -> None:
        did.do(lambda: order.append(me))

    return state(lambda: tuple(order), work, work)


# -- semaphores, conditions, events


@program
def one_of_two_may_enter() -> Made:
    semaphore, order = Semaphore(1), list[int]()

    def work(me: int) -> None:
        semaphore.acquire()
        order.append(me)
        semaphore.release()

    return state(lambda: tuple(order), work, work, work)


@program
def two_may_enter() -> Made:
    semaphore, cell = Semaphore(2), Atomic(0)

    def work(me: int) -> None:
        semaphore.acquire()
        increment(cell, me)
        semaphore.release()

    return state(cell.peek, work, work)


@program
def two_of_three_enter() -> Made:
    semaphore, order = Semaphore(2), list[int]()

    def work(me: int) -> None:
        semaphore.acquire()
        order.append(me)

    return state(lambda: tuple(order), work, work, work)


@program
def given_by_two() -> Made:
    semaphore, cell = Semaphore(0), Atomic(0)

    def give(me: int) -> None:
        cell.store(me)
        semaphore.release()

    def take(mine: list[Any]) -> None:
        semaphore.acquire()
        mine.append(cell.load())

    mine: list[Any] = []
    return [partial(give, 1), partial(give, 2), partial(take, mine)], lambda: tuple(mine)


@program
def semaphore_of_threading() -> Made:
    semaphore, order = threading.Semaphore(1), list[int]()

    def work(me: int) -> None:
        semaphore.acquire()
        order.append(me)

    return state(lambda: tuple(order), work, work)


def condition_program(*, waits_in_a_loop: bool, notifies: bool = True) -> Made:
    condition, ready = threading.Condition(), list[bool]()

    def wait(mine: list[Any]) -> None:
        with condition:
            if waits_in_a_loop:
                while not ready:
                    condition.wait()
            else:
                condition.wait()
            mine.append(bool(ready))

    def tell(mine: list[Any]) -> None:
        with condition:
            ready.append(True)
            if notifies:
                condition.notify()

    return told(wait, tell)


@program
def condition_in_a_loop() -> Made:
    return condition_program(waits_in_a_loop=True)


@program
def missed_notification() -> Made:
    return condition_program(waits_in_a_loop=False)


@program
def forgotten_notification() -> Made:
    return condition_program(waits_in_a_loop=True, notifies=False)


@program
def event_before_the_data() -> Made:
    event, cell = threading.Event(), Atomic(0)

    def tell(mine: list[Any]) -> None:
        event.set()
        cell.store(1)

    def wait(mine: list[Any]) -> None:
        event.wait()
        mine.append(cell.load())

    return told(tell, wait)


@program
def event_is_asked() -> Made:
    event, cell = threading.Event(), Atomic(0)

    def tell(mine: list[Any]) -> None:
        cell.store(1)
        event.set()
        cell.store(2)

    def ask(mine: list[Any]) -> None:
        mine.append(cell.load() if event.is_set() else None)

    return told(tell, ask)


@program
def barrier_of_the_wrong_size() -> Made:
    barrier = threading.Barrier(2)

    def work(mine: list[Any]) -> None:
        mine.append(barrier.wait())

    return told(work)


@program.too_large(((0,), (1,)), ((1,), (0,)))
def barrier() -> Made:
    at_once = threading.Barrier(2)

    def work(mine: list[Any]) -> None:
        mine.append(at_once.wait())

    return told(work, work)


# -- the map that loses a key in the midst of two resizes (facts: 2,578 classes)


def sequence_map(resizers: int) -> Made:
    """A put that trusts an epoch that it reads twice, and resizers that each add two to it."""
    epoch, table = Atomic(0), Atomic(0)
    slots: list[Atomic[Any]] = [Atomic(None) for _ in range(resizers + 1)]
    acknowledged: list[bool] = []

    def bump() -> None:
        epoch.store(epoch.load() + 1)

    def put() -> None:
        before = epoch.load()
        if before & 1:
            return
        slots[table.load()].store("v")
        if epoch.load() == before:
            acknowledged.append(True)

    def resize(to: int) -> None:
        bump()
        slots[to].store(slots[table.load()].load())
        table.store(to)
        bump()

    tasks = [put, *[partial(resize, n) for n in range(1, resizers + 1)]]
    return tasks, lambda: bool(acknowledged) and slots[table.peek()].peek() is None


@program.too_large(False, True)
def key_lost_between_two_resizes() -> Made:
    return sequence_map(2)
