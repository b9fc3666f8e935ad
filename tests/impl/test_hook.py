"""The hook sees every access of the shared state, with its kind, before it happens; without one nothing is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mapproof.impl import sync
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import (
    Atomic,
    AtomicInt,
    Mutex,
    Plain,
    PlainDict,
    RWMutex,
    Semaphore,
    watched_by,
)
from mapproof.impl.sync_map import SyncMap
from mapproof.spec.accesses import Access


class Recorder:
    """A hook that writes down "name access"; it has one simulated thread, number 7."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def before(self, target: Any, access: Access) -> None:
        self.seen.append(f"{target.name} {access}")

    def wait(self, target: Any, access: Access, ready: Callable[[], bool]) -> None:
        self.before(target, access)
        assert ready(), f"{target.name} would wait for ever"

    def after(self, target: Any, access: Access, happened: bool) -> None:
        pass

    def thread(self) -> int:
        return 7


def accesses(act: Callable[[], object]) -> list[str]:
    recorder = Recorder()
    with watched_by(recorder):
        act()
    return recorder.seen


def dictionary(**items: int) -> PlainDict[str, int]:
    result: PlainDict[str, int] = PlainDict()
    for key, value in items.items():
        result[key] = value
    return result


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda: Atomic(0).load(), ["atomic load"]),
        (lambda: Atomic(0).store(1), ["atomic store"]),
        (lambda: Atomic(0).swap(1), ["atomic swap"]),
        (lambda: Atomic(0).compare_and_swap(0, 1), ["atomic compare_and_swap"]),
        (lambda: Atomic(0).compare_and_swap(1, 1), ["atomic compare_and_swap"]),
        (lambda: AtomicInt(0).add(1), ["atomic add"]),
        (lambda: Mutex().lock(), ["mutex lock"]),
        (lambda: Mutex().try_lock(), ["mutex try_lock"]),
        (lambda: Semaphore(1).acquire(), ["semaphore acquire"]),
        (lambda: Semaphore().release(), ["semaphore release"]),
        (lambda: Plain(0).read(), ["variable read"]),
        (lambda: Plain(0).write(1), ["variable write"]),
        (lambda: dictionary().get("a"), ["dict read"]),
        (lambda: len(dictionary()), ["dict read"]),
        (lambda: dictionary(a=1), ["dict write"]),
        (lambda: dictionary().pop("a"), ["dict write"]),
        (lambda: dictionary().clear(), ["dict write"]),
        (lambda: list(dictionary().items()), ["dict read"]),
        (lambda: RWMutex().rlock(), ["rwmutex.readerCount add"]),
        (lambda: RWMutex().lock(), ["rwmutex.w lock", "rwmutex.readerCount add"]),
        (lambda: RWMutex().try_lock(), ["rwmutex.w try_lock", "rwmutex.readerCount compare_and_swap"]),
        (lambda: RWMutex().try_rlock(), ["rwmutex.readerCount load", "rwmutex.readerCount compare_and_swap"]),
    ],
)
def test_each_primitive_is_seen(act: Callable[[], object], expected: list[str]) -> None:
    assert accesses(act) == expected


def test_each_step_of_an_iteration_is_seen() -> None:
    items = dictionary(a=1, b=2)
    assert accesses(lambda: list(items.items())) == ["dict read"] * 3


def test_the_hook_is_asked_before_the_access() -> None:
    word = Atomic(0)

    class Changes(Recorder):
        def before(self, target: Any, access: Access) -> None:
            if access is Access.LOAD:
                word.store(5)

    with watched_by(Changes()):
        assert word.load() == 5


def test_a_simulated_thread_holds_the_mutex() -> None:
    mutex = Mutex()
    with watched_by(Recorder()):
        with mutex:
            assert mutex.holder == 7
            assert not mutex.try_lock()
        assert mutex.holder is None
        assert mutex.try_lock()
        assert mutex.holder == 7


def test_a_simulated_semaphore_counts() -> None:
    semaphore = Semaphore(1)
    with watched_by(Recorder()):
        semaphore.acquire()
        semaphore.release()
        semaphore.acquire()
        with pytest.raises(AssertionError, match="semaphore would wait for ever"):
            semaphore.acquire()


def test_a_fast_load_takes_no_lock() -> None:
    map_: SyncMap[str, int] = SyncMap()
    map_.store("a", 1)
    map_.range()
    assert accesses(lambda: map_.load("a")) == ["read load", "entries read", "entry.p load"]
    assert accesses(lambda: map_.load("absent")) == ["read load", "entries read"]


def test_the_steps_of_a_new_key_after_a_promotion() -> None:
    map_: SyncMap[str, int] = SyncMap()
    map_.store("a", 1)
    map_.range()
    fast = ["read load", "entries read"]
    slow = ["mu lock", "read load", "entries read", "dirty read"]
    copy = [
        "dirty read",
        "dirty write",
        "read load",
        "entries read",
        "entry.p load",
        "entries write",
        "entries read",
    ]
    publish_and_insert = ["read store", "dirty read", "entries write", "mu unlock"]
    assert accesses(lambda: map_.store("b", 2)) == fast + slow + copy + publish_and_insert


def test_the_steps_of_the_miss_that_promotes() -> None:
    map_: SyncMap[str, int] = SyncMap()
    map_.store("a", 1)
    assert accesses(lambda: map_.load("a")) == [
        *("read load", "entries read"),
        *("mu lock", "read load", "entries read", "dirty read", "entries read"),
        *("misses read", "misses write", "dirty read", "entries read"),
        *("dirty read", "read store", "dirty write", "misses write"),
        *("mu unlock", "entry.p load"),
    ]


@pytest.mark.parametrize("make", [SyncMap, RWMutexMap])
def test_an_invariant_check_is_not_seen(make: Callable[[], Any]) -> None:
    map_ = make()
    map_.store("a", 1)
    assert accesses(map_.check_invariants) == []


def test_the_hook_is_gone_after_the_block_even_if_it_raised() -> None:
    outer, inner = Recorder(), Recorder()
    with watched_by(outer):
        with pytest.raises(ZeroDivisionError), watched_by(inner):
            raise ZeroDivisionError
        Atomic(0).load()
    Atomic(0).load()
    assert (outer.seen, inner.seen) == (["atomic load"], [])
    assert sync._hook is None
