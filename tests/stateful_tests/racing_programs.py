"""Little programs on the primitives of `impl.sync`, in no schedule of which there is a race, or in every one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mapproof.impl.sync import (
    AtomicInt,
    Mutex,
    Once,
    Plain,
    PlainDict,
    PlainFlags,
    RWMutex,
    Semaphore,
)
from mapproof.stateful_tests.explorer.cooperative_threading import Lock

Task = Callable[[], object]
Program = Callable[[], Sequence[Task]]
"""Makes fresh state and answers the tasks that race on it; they are numbered from 1."""


def counter_with(guard: Any) -> Sequence[Task]:
    total = Plain(0, "total")

    def add() -> None:
        with guard():
            total.write(total.read() + 1)

    return [add, add]


def unguarded() -> Sequence[Task]:
    total = Plain(0, "total")
    return [lambda: total.write(total.read() + 1)] * 2


def by_a_mutex() -> Sequence[Task]:
    mu = Mutex("mu")
    return counter_with(lambda: mu)


def by_a_lock_of_threading() -> Sequence[Task]:
    lock = Lock()
    return counter_with(lambda: lock)


def by_a_writer() -> Sequence[Task]:
    return counter_with(RWMutex("mu").writing)


def by_a_reader() -> Sequence[Task]:
    return counter_with(RWMutex("mu").reading)


def by_a_mutex_each() -> Sequence[Task]:
    return counter_with(lambda: Mutex("mu"))


def reader_and_writer() -> Sequence[Task]:
    mu, total = RWMutex("mu"), Plain(0, "total")

    def write() -> None:
        with mu.writing():
            total.write(1)

    def read() -> int:
        with mu.reading():
            return total.read()

    return [write, read, read]


def try_lock() -> Sequence[Task]:
    mu, total = Mutex("mu"), Plain(0, "total")

    def add() -> None:
        if mu.try_lock():
            total.write(total.read() + 1)
            mu.unlock()

    return [add, add]


def failed_try_lock() -> Sequence[Task]:
    """Whether the try fails in the first critical section or in the second, it orders nothing."""
    mu, value, other = Mutex("mu"), Plain(0, "value"), Plain(0, "other")

    def twice() -> None:
        with mu:
            value.write(1)
        with mu:
            pass
        other.write(1)

    def use() -> None:
        if mu.try_lock():
            mu.unlock()
            other.write(2)
        else:
            value.read()

    return [twice, use]


def try_rlock() -> Sequence[Task]:
    mu, total = RWMutex("mu"), Plain(0, "total")

    def write() -> None:
        if mu.try_lock():
            total.write(1)
            mu.unlock()

    def read() -> None:
        if mu.try_rlock():
            total.read()
            mu.runlock()

    return [write, read]


def published_by_a_compare_and_swap() -> Sequence[Task]:
    word, value = AtomicInt(0, "word"), Plain(0, "value")

    def publish() -> None:
        value.write(1)
        word.compare_and_swap(0, 1)

    def use() -> None:
        if word.load():
            value.read()

    return [publish, use]


def published_by_a_failed_one() -> Sequence[Task]:
    """The word was set before the value was written, so that the compare-and-swap changes nothing."""
    word, value = AtomicInt(0, "word"), Plain(0, "value")

    def publish() -> None:
        word.store(1)
        value.write(1)
        word.compare_and_swap(0, 1)

    return [publish, lambda: (word.load(), value.read())]


def published_by_a_semaphore() -> Sequence[Task]:
    semaphore, value = Semaphore(0, "semaphore"), Plain(0, "value")

    def publish() -> None:
        value.write(1)
        semaphore.release()

    def use() -> None:
        semaphore.acquire()
        value.read()

    return [publish, use]


def published_by_a_once() -> Sequence[Task]:
    once, value = Once(), Plain(0, "value")

    def use() -> None:
        once.do(lambda: value.write(1))
        value.read()

    return [use, use]


def ors_and_reads() -> Sequence[Task]:
    flags = PlainFlags(0, "flags")
    return [lambda: (flags.atomic_or(1), flags.read()), lambda: flags.atomic_or(2)]


def or_and_write() -> Sequence[Task]:
    flags = PlainFlags(0, "flags")
    return [lambda: flags.atomic_or(1), lambda: flags.write(2)]


def other_keys_of_a_dictionary() -> Sequence[Task]:
    """One location, as Go's detector sees a map: its buckets are shared."""
    items: PlainDict[str, int] = PlainDict("items")
    return [lambda: items.__setitem__("a", 1), lambda: items.get("b")]


def readers_of_a_dictionary() -> Sequence[Task]:
    items: PlainDict[str, int] = PlainDict("items")
    return [lambda: list(items.items()), lambda: len(items)]


RACE_FREE: Sequence[Program] = (
    by_a_mutex,
    by_a_lock_of_threading,
    by_a_writer,
    reader_and_writer,
    try_lock,
    try_rlock,
    published_by_a_compare_and_swap,
    published_by_a_semaphore,
    published_by_a_once,
    ors_and_reads,
    readers_of_a_dictionary,
)
RACY: Sequence[Program] = (
    unguarded,
    by_a_reader,
    by_a_mutex_each,
    failed_try_lock,
    published_by_a_failed_one,
    or_and_write,
    other_keys_of_a_dictionary,
)
