"""What Go's own tests of its maps assert, as checks of any map: each raises AssertionError, or answers nothing.

A check takes `make`, which makes an empty map, and where threads are needed `run`, which runs functions at once
(the fixture run_threads). Sizes are for Python. Named after Go's tests: src/sync/map_test.go and
src/internal/sync/hashtriemap_test.go.
"""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync_map import SyncMap
from mapproof.impl.trie_map import TrieMap, seeded_hash

Make = Callable[[], Any]
Run = Callable[..., None]
Check = Callable[[Make, Run], None]

seeded = seeded_hash(1)


def constant(key: Any) -> int:
    """Chains only."""
    return 0


def truncated(key: Any) -> int:
    """Hashes that differ in their last bits only: deep tries."""
    return seeded(key) & 0x3F


THREADS: Final = 4
KEYS: Final = [f"key {number}" for number in range(24)]
PRESENT: Final = {key: number for number, key in enumerate(KEYS)}

MAPS: Final[dict[str, Make]] = {
    "SyncMap": SyncMap,
    "RWMutexMap": RWMutexMap,
    "ShardedMap": partial(ShardedMap, shards=1, capacity=2),
    "ShardedMap, one hash": partial(ShardedMap, shards=1, capacity=2, hash_key=constant),
    "TrieMap": TrieMap,
    "TrieMap, one hash": partial(TrieMap, constant),
    "TrieMap, hashes of six bits": partial(TrieMap, truncated),
}


def filled(make: Make) -> Any:
    map_ = make()
    for key, number in PRESENT.items():
        assert map_.load(key) == (None, False)
        assert map_.load_or_store(key, number) == (number, False)
    return map_


def holds(map_: Any, expected: dict[Any, Any]) -> None:
    """All of it and nothing else, by each way to look."""
    pairs = map_.range()
    assert len(pairs) == len(expected) and dict(pairs) == expected
    for key in KEYS:
        assert map_.load(key) == (expected.get(key), key in expected)
    map_.check_invariants()


# -- the groups of the trie's tests


@dataclass(frozen=True, slots=True)
class Change:
    """A way to change a key that holds `old`: `do(map, key, old, new)` is whether it took effect."""

    name: str
    do: Callable[[Any, Any, Any, Any], bool]
    deletes: bool
    compares: bool

    def apply(self, expected: dict[Any, Any], key: Any, new: Any) -> None:
        if self.deletes:
            del expected[key]
        else:
            expected[key] = new


CHANGES: Final = [
    Change("CompareAndDelete", lambda m, k, old, new: m.compare_and_delete(k, old), True, True),
    Change("CompareAndSwap", lambda m, k, old, new: m.compare_and_swap(k, old, new), False, True),
    Change("Swap", lambda m, k, old, new: m.swap(k, new) == (old, True), False, False),
    Change("LoadAndDelete", lambda m, k, old, new: m.load_and_delete(k) == (old, True), True, False),
]


def change_keys(make: Make, change: Change, keys: list[str]) -> None:
    """Each of these keys changes when it is changed, and nothing else does."""
    map_, expected = filled(make), dict(PRESENT)
    for key in keys:
        if change.compares:
            assert not change.do(map_, key, -1, "wrong")
        assert change.do(map_, key, PRESENT[key], "new")
        change.apply(expected, key, "new")
        holds(map_, expected)
        if change.deletes:
            assert not change.do(map_, key, PRESENT[key], "new")
    holds(map_, expected)


def change_all(make: Make, change: Change) -> None:
    change_keys(make, change, KEYS)


def change_one(make: Make, change: Change) -> None:
    for key in KEYS[::5]:
        change_keys(make, change, [key])


def change_multiple(make: Make, change: Change) -> None:
    change_keys(make, change, KEYS[1::3])


def change_in_iteration(make: Make, change: Change) -> None:
    map_, came, expected = filled(make), list[str](), dict(PRESENT)

    def f(key: str, value: int) -> bool:
        came.append(key)
        assert change.do(map_, key, value, "new")
        change.apply(expected, key, "new")
        return True

    map_.range(f)
    assert sorted(came) == sorted(KEYS)
    holds(map_, expected)


def change_unshared(make: Make, run: Run, change: Change) -> None:
    """Each thread has keys of its own, so nothing that the others do may be seen on them."""
    map_ = make()

    def work(me: int) -> None:
        for number in range(30):
            for key in [(me, n) for n in range(6)]:
                assert map_.load_or_store(key, number) == (number, False)
                if change.compares:
                    assert not change.do(map_, key, -1, "wrong")
                assert change.do(map_, key, number, "new")
                assert map_.load(key) == ((None, False) if change.deletes else ("new", True))
                map_.delete(key)

    run(*[partial(work, me) for me in range(THREADS)])
    holds(map_, {})


def change_shared(make: Make, run: Run, change: Change) -> None:
    """All threads want to change the same keys: each value that a key had goes to one of them."""
    map_, taken = filled(make), {key: list[Any]() for key in KEYS}

    def work(me: int) -> None:
        for key in KEYS:
            if change.name == "Swap":
                taken[key].append(map_.swap(key, (key, me))[0])
            elif change.do(map_, key, PRESENT[key], (key, me)):
                taken[key].append(PRESENT[key])

    run(*[partial(work, me) for me in range(THREADS)])
    for key, values in taken.items():
        left, present = map_.load(key)
        assert present is not change.deletes
        if change.name == "Swap":
            everything = [PRESENT[key], *((key, me) for me in range(THREADS))]
            assert sorted([*values, left], key=repr) == sorted(everything, key=repr)
        else:
            assert values == [PRESENT[key]], f"{key} was changed {len(values)} times"
    map_.check_invariants()


def clear_simple(make: Make) -> None:
    map_ = filled(make)
    for _ in range(2):
        map_.clear()
        holds(map_, {})
    assert all(map_.load_or_store(key, number) == (number, False) for key, number in PRESENT.items())
    holds(map_, PRESENT)


def clear_beside_comparisons(make: Make, run: Run) -> None:
    """A swap or a deletion that compares finds no key that was cleared, so nothing is left."""
    for _ in range(20):
        map_ = filled(make)

        def swap(map_: Any = map_) -> None:
            for key, number in PRESENT.items():
                if map_.compare_and_swap(key, number, "new"):
                    map_.compare_and_swap(key, "new", "newer")

        def delete(map_: Any = map_) -> None:
            for key, number in PRESENT.items():
                map_.compare_and_delete(key, number)

        run(swap, swap, delete, map_.clear)
        holds(map_, {})


# -- the others


def concurrent_range(make: Make, run: Run) -> None:
    """TestConcurrentRange: 1,024 keys that stay, values that change, always to multiples of the key."""
    map_, keys = make(), range(1, 1025)
    for key in keys:
        map_.store(key, key)
    finished: list[None] = []

    def done() -> bool:
        return len(finished) == 2

    def write(me: int) -> None:
        number = 0
        while not done():
            number += 1
            for key in keys:
                map_.store(key, key * number * me)
                if key % 64 == 0 and done():
                    return

    def look() -> None:
        try:
            for _ in range(8):
                came: list[tuple[int, int]] = []
                map_.range(lambda key, value, came=came: came.append((key, value)) is None)
                assert len(came) == len(keys) and {key for key, _ in came} == set(keys)
                assert all(value % key == 0 for key, value in came)
        finally:
            finished.append(None)

    run(partial(write, 1), partial(write, 2), look, look)
    map_.check_invariants()


class Thing:
    """What the cache keeps: something that can be referred to weakly."""


class Handle:
    """A weak reference that equals itself only, and leaves the map with its thing."""

    def __init__(self, map_: Any, key: int, thing: Thing) -> None:
        self.reference = weakref.ref(thing, lambda _: map_.compare_and_delete(key, self))


def get(map_: Any, key: int) -> Thing:
    """The one thing of the key that is alive, made if there is none."""
    while True:
        handle, present = map_.load(key)
        if present and (alive := handle.reference()) is not None:
            found: Thing = alive
            return found
        thing = Thing()
        fresh = Handle(map_, key, thing)
        if map_.compare_and_swap(key, handle, fresh) if present else not map_.load_or_store(key, fresh)[1]:
            return thing


def concurrent_cache(make: Make, run: Run) -> None:
    """TestConcurrentCache (Go issue 70970): as long as I hold a thing, the cache has no other for its key."""
    map_ = make()

    def work(seed: int) -> None:
        random_ = random.Random(seed)
        for _ in range(1000):
            key = random_.randrange(5)
            thing = get(map_, key)
            assert get(map_, key) is thing
            del thing

    run(*[partial(work, seed) for seed in range(THREADS)])
    gc.collect()
    assert map_.range() == []
    map_.check_invariants()


def range_nested(make: Make, run: Run) -> None:
    """TestMapRangeNestedCall."""
    map_ = make()
    for word in ["hello", "world", "Go"]:
        map_.store(word, word)

    def inner(key: Any, value: Any) -> bool:
        assert map_.load_or_store(42, "dummy") == ("dummy", False)
        assert map_.load_and_delete(42) == ("dummy", True)
        return True

    def outer(key: Any, value: Any) -> bool:
        map_.range(inner)
        map_.delete(key)
        return True

    map_.range(outer)
    assert map_.range() == []


def compute_sums(make: Make, run: Run) -> None:
    """ParallelComputes of xsync: no increment is lost."""
    map_ = make()

    def work() -> None:
        for number in range(100):
            key = number % 5
            while True:
                value, present = map_.load(key)
                if (
                    map_.compare_and_swap(key, value, value + 1)
                    if present
                    else not map_.load_or_store(key, 1)[1]
                ):
                    break

    run(*[work] * THREADS)
    assert sorted(map_.range()) == [(key, 20 * THREADS) for key in range(5)]
    map_.check_invariants()


def missing_key(make: Make, run: Run) -> None:
    """TestCompareAndSwap_NonExistingKey."""
    map_ = make()
    assert not map_.compare_and_swap("absent", None, 42)
    assert not map_.compare_and_delete("absent", None)
    assert map_.range() == []


def issue_40999(make: Make, run: Run) -> None:
    """TestIssue40999: a deleted key can be collected, while another key stays."""
    map_, kept = make(), list[Any]()
    map_.store(None, None)
    for _ in range(20):
        key = Thing()
        kept.append(weakref.ref(key))
        map_.store(key, None)
        map_.delete(key)
        del key
    gc.collect()
    assert [reference() for reference in kept] == [None] * 20


# -- growth, from the tests of xsync's map and of Go's built-in one


def parallel_resize(make: Make, run: Run, shared: bool) -> None:
    """ParallelResize of xsync, with keys of each thread's own and with the same for all: none is lost."""
    map_ = make()

    def key_of(me: int, number: int) -> tuple[int, int]:
        return (0 if shared else me, number)

    def store(me: int) -> None:
        for number in range(150):
            map_.store(key_of(me, number), number)
            assert map_.load(key_of(me, number)) == (number, True)

    def resize() -> None:
        for _ in range(6):
            map_.rehash()

    run(*[partial(store, me) for me in range(3)], resize)
    expected = {key_of(me, number): number for me in range(3) for number in range(150)}
    pairs = map_.range()
    assert len(pairs) == len(expected) == len(map_) and dict(pairs) == expected
    map_.check_invariants()


def atomic_snapshot(make: Make, run: Run) -> None:
    """ParallelStores of xsync: whoever looks sees a key with its own value, or not at all."""
    map_ = make()

    def write() -> None:
        for number in range(300):
            map_.store(number % 20, number % 20)
            map_.delete((number + 7) % 20)

    def look() -> None:
        for number in range(600):
            assert map_.load(number % 20) in [(number % 20, True), (None, False)]

    def resize() -> None:
        for _ in range(5):
            map_.rehash()

    run(write, write, look, look, resize)
    map_.check_invariants()


def concurrent_reads_after_growth(make: Make, run: Run) -> None:
    """TestConcurrentReadsAfterGrowth of the runtime: a growth that is not over is no write for those who read."""
    for size in (7, 9, 27, 53, 56):
        map_ = make()
        for key in range(size):
            map_.store(key, -key)

        def load(map_: Any = map_, size: int = size) -> None:
            assert all(map_.load(key) == (-key, True) for key in range(size))
            assert map_.load("absent") == (None, False)

        def iterate(map_: Any = map_, size: int = size) -> None:
            assert sorted(map_.range()) == sorted((key, -key) for key in range(size))
            assert len(map_) == size

        run(load, load, iterate, iterate)
        map_.check_invariants()
