"""The hook sees every access of the shared state, with its kind, before it happens; without one nothing is seen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mapproof.impl import sync
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import (
    Atomic,
    AtomicInt,
    Mutex,
    Once,
    Plain,
    PlainDict,
    RWMutex,
    Semaphore,
    watched_by,
)
from mapproof.impl.sync_map import SyncMap
from mapproof.spec.accesses import Access


class Recorder:
    """A hook that writes down "name access" and, in brackets, if asked to, what it is told after; it has one simulated
    thread, number 7."""

    def __init__(self, *, after: bool = False) -> None:
        self.seen: list[str] = []
        self._after = after

    def before(self, target: Any, access: Access) -> None:
        self.seen.append(f"{target.name} {access}")

    def wait(self, target: Any, access: Access, ready: Callable[[], bool]) -> None:
        self.before(target, access)
        assert ready(), f"{target.name} would wait for ever"

    def after(self, target: Any, access: Access, happened: bool) -> None:
        if self._after:
            self.seen.append(f"[{target.name} {access}]" if happened else f"[{target.name} no {access}]")

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


def held(*, by: str) -> RWMutex:
    """Held by a reader or a writer; where it lets another in, the next one to come finds the semaphore released."""
    rwmutex = RWMutex()
    match by:
        case "reader":
            rwmutex.rlock()
        case "writer":
            rwmutex.lock()
        case "writer, who lets a reader in":
            rwmutex.lock()
            rwmutex._reader_sem.release()
        case "reader, who lets a writer in":
            rwmutex.rlock()
            rwmutex._writer_sem.release()
    return rwmutex


def locked() -> Mutex:
    mutex = Mutex()
    mutex.lock()
    return mutex


W, COUNT, CAS = "rwmutex.w", "rwmutex.readerCount", "rwmutex.readerCount compare_and_swap"


@pytest.mark.parametrize(
    ("make", "act", "expected"),
    [
        (lambda: Atomic(0), lambda a: a.load(), ["atomic load"]),
        (lambda: Atomic(0), lambda a: a.store(1), ["atomic store"]),
        (lambda: Atomic(0), lambda a: a.swap(1), ["atomic swap"]),
        (lambda: AtomicInt(0), lambda a: a.add(1), ["atomic add"]),
        (
            lambda: Atomic(0),
            lambda a: a.compare_and_swap(0, 1),
            ["atomic compare_and_swap", "[atomic compare_and_swap]"],
        ),
        (
            lambda: Atomic(0),
            lambda a: a.compare_and_swap(1, 1),
            ["atomic compare_and_swap", "[atomic no compare_and_swap]"],
        ),
        (Mutex, Mutex.lock, ["mutex lock"]),
        (Mutex, Mutex.try_lock, ["mutex try_lock", "[mutex try_lock]"]),
        (locked, Mutex.try_lock, ["mutex try_lock", "[mutex no try_lock]"]),
        (locked, Mutex.unlock, ["mutex unlock"]),
        (lambda: Semaphore(1), Semaphore.acquire, ["semaphore acquire"]),
        (Semaphore, Semaphore.release, ["semaphore release"]),
        (RWMutex, RWMutex.rlock, [f"{COUNT} add", "[rwmutex rlock]"]),
        (
            lambda: held(by="writer, who lets a reader in"),
            RWMutex.rlock,
            [f"{COUNT} add", "rwmutex.readerSem acquire", "[rwmutex rlock]"],
        ),
        (lambda: held(by="reader"), RWMutex.runlock, ["[rwmutex runlock]", f"{COUNT} add"]),
        (RWMutex, RWMutex.lock, [f"{W} lock", f"{COUNT} add", "[rwmutex lock]"]),
        (
            lambda: held(by="reader, who lets a writer in"),
            RWMutex.lock,
            [
                *(f"{W} lock", f"{COUNT} add"),
                *("rwmutex.readerWait add", "rwmutex.writerSem acquire", "[rwmutex lock]"),
            ],
        ),
        (lambda: held(by="writer"), RWMutex.unlock, ["[rwmutex unlock]", f"{COUNT} add", f"{W} unlock"]),
        (
            RWMutex,
            RWMutex.try_lock,
            [f"{W} try_lock", f"[{W} try_lock]", CAS, f"[{CAS}]", "[rwmutex lock]"],
        ),
        (
            lambda: held(by="reader"),
            RWMutex.try_lock,
            [f"{W} try_lock", f"[{W} try_lock]", CAS, f"[{COUNT} no compare_and_swap]", f"{W} unlock"],
        ),
        (lambda: held(by="writer"), RWMutex.try_lock, [f"{W} try_lock", f"[{W} no try_lock]"]),
        (RWMutex, RWMutex.try_rlock, [f"{COUNT} load", CAS, f"[{CAS}]", "[rwmutex rlock]"]),
        (lambda: held(by="writer"), RWMutex.try_rlock, [f"{COUNT} load"]),
        (RWMutex, lambda lock: lock.rlocker().lock(), [f"{COUNT} add", "[rwmutex rlock]"]),
        (
            lambda: held(by="reader"),
            lambda lock: lock.rlocker().unlock(),
            ["[rwmutex runlock]", f"{COUNT} add"],
        ),
    ],
)
def test_what_could_not_be_known_before_is_told_after(
    make: Callable[[], Any], act: Callable[[Any], object], expected: list[str]
) -> None:
    recorder, target = Recorder(after=True), make()
    with watched_by(recorder):
        act(target)
    assert recorder.seen == expected


def test_a_lock_orders_and_what_it_is_made_of_does_not() -> None:
    rwmutex = RWMutex()
    inner = [
        rwmutex._w,
        rwmutex._reader_count,
        rwmutex._reader_wait,
        rwmutex._reader_sem,
        rwmutex._writer_sem,
    ]
    assert not any(word.synchronizes for word in inner)
    assert all(kind.synchronizes for kind in (Atomic, AtomicInt, Mutex, Semaphore, RWMutex))


def test_a_call_that_comes_late_only_loads() -> None:
    once, calls = Once(), list[int]()
    once_more = partial(once.do, lambda: calls.append(1))
    first = ["once.done load", "once.m lock", "once.done load", "once.done store", "once.m unlock"]
    assert (accesses(once_more), accesses(once_more), calls) == (first, ["once.done load"], [1])


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
    check_step = map_.step_invariants()
    assert accesses(lambda: (map_.check_invariants(), check_step(), check_step())) == []


def test_the_hook_is_gone_after_the_block_even_if_it_raised() -> None:
    outer, inner = Recorder(), Recorder()
    with watched_by(outer):
        with pytest.raises(ZeroDivisionError), watched_by(inner):
            raise ZeroDivisionError
        Atomic(0).load()
    Atomic(0).load()
    assert (outer.seen, inner.seen) == (["atomic load"], [])
    assert sync._hook is None
