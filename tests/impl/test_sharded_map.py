"""The sharded map: it answers as a dict does while shards split, splits when it should, and readers never wait."""

from __future__ import annotations

import gc
import itertools
import random
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from splits import Map, divergence, driven, sabotaged

from mapproof.impl.hashing import Routing, fnv1a_64, mixed_hash
from mapproof.impl.sharded_map import RehashError, ShardedMap
from mapproof.impl.shards import Migrating, Shard
from mapproof.impl.small_maps import by_low_bits, by_top_bits, every_key_the_same
from mapproof.impl.sync import watched_by
from mapproof.spec.accesses import Access
from mapproof.spec.linearizability import Linearizable, check
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import Form, adapter_for
from mapproof.stateful_tests.machines import machine_for
from mapproof.stateful_tests.real_threads import record

Run = Callable[..., None]

ROUTINGS = pytest.mark.parametrize("routing", list(Routing))


# -- in sequence


def checked_after(operation: Form) -> Form:
    def perform(map_: Map, key: Any, args: tuple[Any, ...]) -> Any:
        answer = operation.perform(map_, key, args)
        map_.check_invariants()
        return answer

    return Form(operation.text, perform)


@ROUTINGS
@pytest.mark.parametrize("hash_key", [mixed_hash, by_low_bits, by_top_bits, every_key_the_same])
def test_any_operations_answer_as_the_model_while_shards_split(
    routing: Routing, hash_key: Callable[[Any], int]
) -> None:
    def make() -> Map:
        return ShardedMap(shards=1, capacity=2, max_shards=16, batch=1, routing=routing, hash_key=hash_key)

    adapter = driven(make())
    forms = {op: tuple(map(checked_after, forms)) for op, forms in adapter.forms.items()}
    search = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine_for(make, replace(adapter, forms=forms)), settings=search)


@ROUTINGS
def test_ten_thousand_operations_on_a_map_that_grows(routing: Routing) -> None:
    map_: Map = ShardedMap(shards=2, capacity=4, max_shards=256, batch=1, routing=routing)
    assert divergence(map_, random.Random(3)) is None
    assert len(map_.route.peek().shards()) > 16


def test_keys_are_those_of_a_dict() -> None:
    map_: Map = ShardedMap()
    nan = float("nan")
    for key in [1, True, 1.0, "", None, nan, nan, (1, 2)]:
        map_.store(key, key)
    assert len(map_) == 5
    assert (1, 1.0) in map_.range() and map_.load(nan) == (nan, True)
    assert [type(key) for key, _ in map_.range() if key == 1] == [int]
    assert map_.load(1) == (1.0, True)
    with pytest.raises(TypeError, match="unhashable"):
        map_.store([], 1)


def test_a_missing_key_equals_nothing() -> None:
    """Go's TestCompareAndSwap_NonExistingKey."""
    map_: Map = ShardedMap()
    assert not map_.compare_and_swap("k", None, 42)
    assert not map_.compare_and_delete("k", None)


def test_the_callback_of_range_may_use_the_map_and_stop() -> None:
    """Go's TestMapRangeNestedCall, with a rehash inside."""
    map_: Map = ShardedMap(shards=1, capacity=2)
    for number, word in enumerate(["hello", "world", "Go"]):
        map_.store(number, word)
    seen: list[int] = []

    def inner(key: int, value: str) -> bool:
        map_.rehash()
        assert map_.load_or_store(42, "dummy") == ("dummy", False)
        assert map_.load_and_delete(42) == ("dummy", True)
        return True

    def outer(key: int, value: str) -> bool:
        seen.append(key)
        map_.range(inner)
        map_.delete(key)
        return True

    map_.range(outer)
    assert sorted(seen) == [0, 1, 2]
    assert map_.range() == [] and map_.len() == 0
    map_.store(1, "a")
    map_.store(2, "b")
    map_.range(lambda key, value: bool(seen.append(key)))
    assert len(seen) == 4


def test_deleted_keys_can_be_collected() -> None:
    """Go's issue 40999, also in the middle of a split and after it."""

    class Key:
        pass

    map_: Map = ShardedMap(shards=1, capacity=2, batch=1)
    map_.store("resident", 1)
    gone = []
    for now in range(40):
        key = Key()
        gone.append(weakref.ref(key))
        map_.store(key, 1)
        map_.maintain(10 * now)
        map_.delete(key)
        del key
    gc.collect()
    assert not any(reference() for reference in gone)


# -- when and what a map splits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def filled(keys: int, **options: Any) -> Map:
    map_: Map = ShardedMap(hash_key=by_low_bits, **options)
    for key in range(keys):
        map_.store(key, key)
    return map_


def test_a_shard_splits_when_its_load_passes_three_quarters() -> None:
    map_ = filled(48, shards=1, capacity=64, batch=1000)
    assert not map_.maintain(0)
    assert len(map_.route.peek().shards()) == 1
    map_.store(48, 48)
    map_.maintain(5)
    assert [shard.count.peek() for shard in map_.route.peek().shards()] == [25, 24]


def test_the_load_is_looked_at_every_five_seconds_of_the_clock() -> None:
    clock = Clock()
    map_ = filled(1, shards=1, capacity=8, batch=1000, clock=clock)
    map_.maintain()
    for key in range(8):
        map_.store(key, key)
    clock.now = 4.9
    assert not map_.maintain()
    assert len(map_.route.peek().slots) == 1
    clock.now = 5.0
    map_.maintain()
    assert len(map_.route.peek().slots) == 2


def test_a_batch_at_a_time() -> None:
    """Two steps a bin, a copy and a comparison; the map may be used after each."""
    map_ = filled(16, shards=1, capacity=16, batch=4)
    more = []
    for step in range(8):
        more.append(map_.maintain(0))
        map_.delete(step)
        map_.store(100 + step, step)
        map_.check_invariants()
    assert more == [True] * 7 + [False]
    assert len(map_.route.peek().shards()) == 2
    assert sorted(map_.range()) == [*((key, key) for key in range(8, 16)), *((100 + s, s) for s in range(8))]


@ROUTINGS
def test_only_the_overloaded_shard_splits(routing: Routing) -> None:
    hash_key = by_low_bits if routing is Routing.LOW_BITS else by_top_bits
    map_: Map = ShardedMap(shards=2, capacity=2, batch=99, routing=routing, hash_key=hash_key)
    crowded = "ac" if routing is Routing.LOW_BITS else "ab"
    for key in crowded:
        map_.store(key, key)
    map_.maintain(0)
    route = map_.route.peek()
    assert len(route.slots) == 4
    assert sorted(shard.shards for shard in route.shards()) == [2, 4, 4]
    assert {map_.load(key) for key in "abcd"} == {(None, False), *((key, True) for key in crowded)}
    map_.check_invariants()


def test_a_rehash_splits_every_shard() -> None:
    map_ = filled(40, shards=4, capacity=2)
    for slots in (8, 16, 32):
        map_.rehash()
        assert len(map_.route.peek().slots) == len(map_.route.peek().shards()) == slots
        assert sorted(map_.range()) == [(key, key) for key in range(40)]
        map_.check_invariants()


def test_keys_that_no_bit_tells_apart_do_not_make_the_route_grow_for_ever() -> None:
    map_: Map = ShardedMap(shards=1, capacity=2, max_shards=8, hash_key=every_key_the_same)
    for key in range(10):
        map_.store(key, key)
    for now in range(0, 1000, 5):
        map_.maintain(now)
    assert len(map_.route.peek().slots) == 8
    assert not map_.maintain(1000)
    assert sorted(map_.range()) == [(key, key) for key in range(10)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 3}, "the number of shards must be a power of two, not 3"),
        ({"max_shards": 0}, "the number of shards must be a power of two, not 0"),
        ({"capacity": 6}, "the capacity of a shard must be a power of two, not 6"),
        ({"batch": 0}, "the cursor must do at least one bin at a time, not 0"),
    ],
)
def test_wrong_numbers_are_refused_in_one_line(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError) as refused:
        ShardedMap(**options)  # type: ignore[arg-type]
    assert str(refused.value) == message


# -- what is compared before the route switches


def test_a_wrong_copy_never_becomes_the_route() -> None:
    map_ = sabotaged(ShardedMap)
    with pytest.raises(AssertionError, match="I4"):
        map_.check_invariants()
    with pytest.raises(
        RehashError, match=r"^the copy of shard 0 of 1 was found wrong and dropped; no key was"
    ):
        map_.rehash()
    map_.check_invariants()
    assert sorted(map_.range()) == [(key, key) for key in range(4)]
    map_.rehash()
    assert sorted(map_.range()) == [(key, key) for key in range(4)]


# -- what check_invariants sees


def _loses_a_slot(map_: Map) -> None:
    route = map_.route.peek()
    map_.route.store(replace(route, slots=(route.slots[1], route.slots[0])))


def _leads_to_a_shard_that_was_split(map_: Map) -> None:
    before = map_.route.peek()
    map_.rehash()
    map_.route.store(before)


def _puts_a_key_into_another_shard(map_: Map) -> None:
    one, other = map_.route.peek().slots
    one.set_bin_locked(1, other.bins[1].peek())


def _puts_a_key_into_another_bin(map_: Map) -> None:
    shard = map_.route.peek().slots[0]
    shard.set_bin_locked(1, shard.bins[0].peek())


def _puts_a_key_in_twice(map_: Map) -> None:
    shard = map_.route.peek().slots[0]
    shard.set_bin_locked(0, 2 * shard.bins[0].peek())


def _counts_one_too_many(map_: Map) -> None:
    map_.route.peek().slots[0].count.add(1)


def _forgets_who_waits(map_: Map) -> None:
    map_.maintain(0)
    map_.waiting.write(())


def _copies_ahead_of_the_owner(map_: Map) -> None:
    map_.maintain(0)
    split = map_.route.peek().slots[0].split.peek()
    assert split is not None and split.migrating.peek() is Migrating.DUAL_WRITES
    owner = split.old
    copied = next(shard for shard in split.new if shard.bins[0].peek())
    copied.set_bin_locked(1, copied.bins[0].peek())
    assert owner.bins[1].peek() == ()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (_loses_a_slot, "I1: slot 0 of 2 leads to shard 1 of 2"),
        (_leads_to_a_shard_that_was_split, "I1: slot 0 leads to shard 0 of 2, which is no longer the owner"),
        (_puts_a_key_into_another_shard, "I2: 1 is in shard 0 of 2, but its hash says otherwise"),
        (_puts_a_key_into_another_bin, "I2: 0 is in bin 1, which is wrong"),
        (_puts_a_key_in_twice, "I2: 0 is twice in its bin"),
        (_counts_one_too_many, "I3: shard 0 of 2 counts 3 keys of 2"),
        (_forgets_who_waits, "I4: shard 0 of 2 is migrating out of turn"),
        (_copies_ahead_of_the_owner, "I4: shard 0 of 4 has what shard 0 of 2 has not"),
    ],
)
def test_a_broken_invariant_is_named(break_it: Callable[[Map], None], message: str) -> None:
    map_: Map = ShardedMap(shards=2, capacity=2, batch=1, hash_key=lambda key: key % 2)
    for key in range(4):
        map_.store(key, key)
    map_.check_invariants()
    break_it(map_)
    with pytest.raises(AssertionError) as broken:
        map_.check_invariants()
    assert str(broken.value) == message


def _replaces_an_owner(map_: Map) -> None:
    route = map_.route.peek()
    (shard,) = route.slots
    map_.route.store(replace(route, slots=(Shard(shard.index, shard.shards, len(shard.bins)),)))


def _forgets_its_split(map_: Map) -> None:
    (shard,) = map_.route.peek().slots
    map_.rehash()
    shard.split.write(None)


def _writes_to_the_old(map_: Map) -> None:
    (shard,) = map_.route.peek().slots
    map_.rehash()
    shard.bins[0].store(())


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (_replaces_an_owner, "I5: shard 0 of 1 has left the route, but was not split"),
        (_forgets_its_split, "I5: shard 0 of 1 has left the route, but its split has not stayed"),
        (_writes_to_the_old, "I5: shard 0 of 1 has left the route, but was written to"),
    ],
)
def test_what_happens_to_an_old_shard_is_compared_with_before(
    break_it: Callable[[Map], None], message: str
) -> None:
    map_: Map = ShardedMap(shards=1, capacity=1, batch=1, hash_key=by_low_bits)
    map_.store("a", 1)
    check = map_.step_invariants()
    check()
    with watched_by(EveryAccess(check)), pytest.raises(AssertionError) as broken:
        break_it(map_)
        check()
    assert str(broken.value) == message


# -- readers


class EveryAccess:
    """A hook that calls a check before each access; nothing may be waited for."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def before(self, target: object, access: Access) -> None:
        self._check()

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        self._check()

    def after(self, target: object, access: Access, happened: bool) -> None:
        pass

    def thread(self) -> int:
        return 1


class Accesses:
    """A hook that keeps what was accessed; nothing may be waited for."""

    def __init__(self) -> None:
        self.kinds: list[Access] = []

    def before(self, target: object, access: Access) -> None:
        self.kinds.append(access)

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        self.kinds.append(access)

    def after(self, target: object, access: Access, happened: bool) -> None:
        pass

    def thread(self) -> int:
        return 1


def test_a_read_is_two_atomic_loads_in_every_state_of_a_split() -> None:
    map_ = filled(8, shards=1, capacity=4, batch=1)
    for _ in range(9):
        owner = map_.route.peek().slots[0]
        map_.migrator.lock()
        owner.mu.lock()
        hook = Accesses()
        with watched_by(hook):
            assert map_.load(3) == (3, True)
        assert hook.kinds == [Access.LOAD, Access.LOAD]
        assert (len(map_.range()), len(map_)) == (8, 8)
        owner.mu.unlock()
        map_.migrator.unlock()
        map_.maintain(0)
    assert len(map_.route.peek().slots) == 2


def test_a_batch_is_as_long_for_many_keys_as_for_few() -> None:
    """In accesses of shared memory: a writer waits for `batch` bins, not for the keys of its shard."""

    def accesses(keys: int, batch: int) -> int:
        map_ = filled(keys, shards=1, capacity=16, batch=batch)
        hook = Accesses()
        with watched_by(hook):
            map_.maintain(0)
        return len(hook.kinds)

    assert accesses(2000, 4) <= accesses(32, 4) < accesses(32, 8)


# -- real threads


@ROUTINGS
def test_a_recorded_history_of_a_map_that_splits_is_linearizable(routing: Routing) -> None:
    maps: list[Map] = []

    def make() -> Map:
        clock = itertools.count(0, 10).__next__
        maps.append(ShardedMap(shards=1, capacity=2, max_shards=64, batch=1, routing=routing, clock=clock))
        return maps[-1]

    adapter = adapter_for(make())
    load = Form("m.maintain(); m.load({k})", lambda m, k, args: (m.maintain(), m.load(k))[1])
    adapter = replace(adapter, forms={**adapter.forms, Op.LOAD: (load,)})
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        history = record(make, adapter, clients=4, operations=1500, keys=40, seed=1)
    finally:
        sys.setswitchinterval(interval)
    assert isinstance(check(history, ShardedMap.claims), Linearizable)
    assert len(maps[-1].route.peek().shards()) > 4
    maps[-1].check_invariants()


def test_no_private_key_is_lost_while_others_rehash(run_threads: Run) -> None:
    """xsync's DoesNotLoseEntriesOnResize: what only this thread writes, it reads back."""
    map_: Map = ShardedMap(
        shards=1, capacity=4, batch=2, max_shards=128, hash_key=lambda key: fnv1a_64(b"%d" % key)
    )

    def work(me: int) -> None:
        for number in range(600):
            key = 4 * (number % 50) + me
            map_.store(key, number)
            assert map_.load(key) == (number, True)
            if number % 3 == 0:
                assert map_.load_and_delete(key) == (number, True)
                assert map_.load(key) == (None, False)

    def split() -> None:
        for _ in range(7):
            map_.rehash()

    def look() -> None:
        for _ in range(60):
            keys = [key for key, _ in map_.range()]
            assert len(keys) == len(set(keys))

    run_threads(lambda: work(0), lambda: work(1), lambda: work(2), split, look)
    map_.check_invariants()
    assert len(map_.route.peek().slots) == 128
    assert len(map_) == len(map_.range())


def test_a_range_meets_every_resident_key_once_while_shards_split(run_threads: Run) -> None:
    """Go's TestConcurrentRange."""
    keys = range(1, 101)
    map_: Map = ShardedMap(shards=1, capacity=4, batch=2, max_shards=64)
    for key in keys:
        map_.store(key, key)

    def write(factor: int) -> None:
        for key in keys:
            map_.store(key, key * factor)

    def read() -> None:
        for _ in range(30):
            pairs = map_.range()
            assert sorted(key for key, _ in pairs) == list(keys)
            assert all(value % key == 0 for key, value in pairs)

    def split() -> None:
        for _ in range(6):
            map_.rehash()

    run_threads(lambda: write(2), lambda: write(3), read, read, split)
    map_.check_invariants()


def test_a_clear_meets_splits(run_threads: Run) -> None:
    """Go's TestConcurrentClear."""
    map_: Map = ShardedMap(shards=1, capacity=2, batch=1, max_shards=32)

    def write() -> None:
        for key in range(600):
            map_.store(key % 17, key)

    def clear() -> None:
        for _ in range(100):
            map_.clear()

    def split() -> None:
        for _ in range(5):
            map_.rehash()

    run_threads(write, write, clear, split)
    map_.check_invariants()
    map_.clear()
    assert map_.range() == [] and len(map_) == 0
