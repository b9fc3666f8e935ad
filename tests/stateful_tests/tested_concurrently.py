"""Test functions as users write them, with threads of their own; explored by `test_concurrent_tests.py`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Counter:
    def __init__(self, lock: Any = None) -> None:
        self.value = 0
        self.lock = lock

    def increment(self) -> None:
        if self.lock is None:
            self.value += 1
        else:
            with self.lock:
                self.value += 1


def together(*tasks: Any) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_increments() -> None:
    counter = Counter()
    together(counter.increment, counter.increment)
    assert counter.value == 2


def test_two_increments_with_a_lock() -> None:
    counter = Counter(threading.Lock())
    together(counter.increment, counter.increment)
    assert counter.value == 2


def test_a_pool() -> None:
    counter = Counter()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(counter.increment)
    assert counter.value == 2


def test_opposite_locks() -> None:
    first, second = threading.Lock(), threading.Lock()

    def take(one: Any, other: Any) -> None:
        with one, other:
            pass

    together(lambda: take(first, second), lambda: take(second, first))


def test_a_thread_raises() -> None:
    together({}.popitem)


def test_a_lock_is_kept() -> None:
    lock = threading.Lock()
    together(lock.acquire)


def test_that_takes_arguments(tmp_path: Any) -> None:
    assert tmp_path
