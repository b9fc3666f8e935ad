"""What Go's built-in map does inside: when it grows and by whom it is moved, seeds, nil maps, its fatal words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mapproof.impl.plain_map import NilMapError, PlainMap
from mapproof.impl.plain_map_buckets import (
    HASH_WRITING,
    SAME_SIZE_GROW,
    make_bucket_array,
    over_load_factor,
    too_many_overflow_buckets,
)
from mapproof.impl.sync import FatalError

Map = PlainMap[Any, Any]


def constant(key: Any, seed: int) -> int:
    """One bucket for all keys: nothing but overflow chains."""
    return 7


def filled(count: int, **options: Any) -> Map:
    map_: Map = PlainMap(**options)
    for key in range(count):
        map_.store(key, -key)
    return map_


def test_a_map_doubles_above_eight_keys_and_then_above_six_and_a_half_a_bucket() -> None:
    map_, doubled = PlainMap[int, int](), list[tuple[int, int]]()
    for key in range(60):
        before = map_.B.peek()
        map_.store(key, key)
        if map_.B.peek() != before:
            doubled.append((key + 1, map_.B.peek()))
    assert doubled == [(9, 1), (14, 2), (27, 3), (53, 4)]


@pytest.mark.parametrize(
    ("count", "B", "expected"),
    [(8, 0, False), (9, 0, True), (13, 1, False), (14, 1, True), (416, 6, False), (417, 6, True)],
)
def test_over_load_factor(count: int, B: int, expected: bool) -> None:
    assert over_load_factor(count, B) is expected


def test_too_many_overflow_buckets() -> None:
    assert [too_many_overflow_buckets(15, 4), too_many_overflow_buckets(16, 4)] == [False, True]
    assert [too_many_overflow_buckets(1 << 15, 20), too_many_overflow_buckets((1 << 15) - 1, 20)] == [
        True,
        False,
    ]


def growing() -> Map:
    """A map in the middle of a growth from 8 buckets to 16."""
    map_ = filled(53)
    assert [len(map_.oldbuckets.peek()), len(map_.buckets.peek())] == [8, 16]
    return map_


def progress(map_: Map) -> int:
    """How many old buckets are evacuated."""
    return sum(bucket.is_evacuated() for bucket in map_.oldbuckets.peek())


def test_reads_and_len_never_evacuate() -> None:
    map_ = growing()
    before = progress(map_)
    for key in range(53):
        assert map_.load(key) == (-key, True)
    assert map_.load("absent") == (None, False)
    assert len(map_.range()) == len(map_) == len(map_.clone()) == 53
    assert 0 < progress(map_) == before < 8


@pytest.mark.parametrize("change", [lambda map_: map_.store(0, 1), lambda map_: map_.delete("absent")])
def test_each_assignment_or_deletion_evacuates_one_or_two_buckets(change: Callable[[Map], None]) -> None:
    map_ = growing()
    while map_.oldbuckets.peek():
        before = progress(map_)
        change(map_)
        map_.check_invariants()
        assert not map_.oldbuckets.peek() or 1 <= progress(map_) - before <= 2
    assert map_.B.peek() == 4


@pytest.mark.parametrize(("hint", "B"), [(0, 0), (8, 0), (9, 1), (13, 1), (14, 2), (1000, 8)])
def test_a_hint_makes_room(hint: int, B: int) -> None:
    map_ = PlainMap[int, int](hint)
    assert map_.B.peek() == B
    for key in range(hint):
        map_.store(key, key)
    assert map_.B.peek() == B


def test_a_negative_hint_is_refused() -> None:
    with pytest.raises(ValueError, match="a map cannot have room for -1 keys"):
        PlainMap(-1)


def test_the_order_of_iteration_is_random_but_repeats_with_its_seed() -> None:
    def orders(seed: int) -> list[list[int]]:
        map_ = filled(20, seed=seed)
        return [[key for key, _ in map_.range()] for _ in range(5)]

    assert len({tuple(order) for order in orders(1)}) > 1
    assert orders(1) == orders(1) != orders(2)


def test_emptying_a_map_picks_a_new_seed() -> None:
    map_ = filled(3)
    before = map_.hash0.peek()
    for key in range(3):
        assert map_.hash0.peek() == before
        map_.delete(key)
    emptied = map_.hash0.peek()
    map_.store(0, 0)
    map_.clear()
    assert len({before, emptied, map_.hash0.peek()}) == 3


def test_a_range_stops_when_it_is_told_to() -> None:
    seen: list[Any] = []
    filled(20).range(lambda key, value: seen.append(key) or len(seen) < 3)  # type: ignore[func-returns-value]
    assert len(seen) == 3


def test_deleting_and_replacing_while_iterating_ends() -> None:
    """Go's TestIterDeleteReplace."""
    map_ = filled(8)
    for _ in range(5):
        for key, value in map_.items():
            assert value in (0, -key)
            map_.delete(key)
            map_.store(key, 0)
    assert sorted(map_.range()) == [(key, 0) for key in range(8)]


def test_a_clear_cannot_reach_nans_in_an_array_that_was_left_behind() -> None:
    """As Go 1.22, which marks only its two arrays: an iterator that holds an older one still produces its NaNs."""
    map_ = PlainMap[Any, Any]()
    for number in range(8):
        map_.store(math.nan, number)
    pairs = map_.items()
    next(pairs)
    for key in range(6):  # the first begins a growth, the second ends it
        map_.store(key, key)
    assert not map_.oldbuckets.peek()
    map_.clear()
    assert len(list(pairs)) == 7


def test_deleted_keys_can_be_collected() -> None:
    """Go's TestIssue40999, for this map: a slot does not keep what was deleted."""
    map_ = filled(20)
    for key in range(19):
        map_.delete(key)
    left = [
        slot.key.peek()
        for bucket in (*map_.buckets.peek(), *map_.oldbuckets.peek())
        for slot in bucket.chain_slots()
    ]
    assert [key for key in left if key is not None] == [19]


def test_a_clone_is_a_map_of_its_own() -> None:
    for map_ in [PlainMap[Any, Any](), filled(5), growing()]:
        map_.store(math.nan, "x")
        copy = map_.clone()
        copy.check_invariants()
        assert sorted(map(repr, copy.range())) == sorted(map(repr, map_.range()))
        copy.store("new", 1)
        assert map_.load("new") == (None, False)


# -- errors


def test_a_nil_map_can_be_read_but_not_written() -> None:
    map_: Map = PlainMap.nil()
    map_.delete("a")
    map_.clear()
    assert (map_.load("a"), len(map_), map_.range(), map_.clone().is_nil) == ((None, False), 0, [], True)
    with pytest.raises(NilMapError, match=r"^assignment to entry in nil map$"):
        map_.store("a", 1)
    map_.check_invariants()
    assert issubclass(NilMapError, Exception)


@pytest.mark.parametrize("count", [0, 3])
def test_an_unhashable_key_is_an_error_and_no_race(count: int) -> None:
    map_ = filled(count)
    for operation in (map_.load, map_.delete, lambda key: map_.store(key, 1)):
        with pytest.raises(TypeError, match="unhashable type: 'list'"):
            operation([])
    map_.check_invariants()
    map_.store("a", 1)


def test_a_key_that_fails_to_compare_is_no_race() -> None:
    class Uncomparable:
        def __hash__(self) -> int:
            return 0

        def __eq__(self, other: object) -> bool:
            if other is self:
                return True
            raise ValueError("uncomparable")

    map_ = filled(2, hash_function=constant)
    for operation in (map_.load, map_.delete, lambda key: map_.store(key, 1)):
        with pytest.raises(ValueError, match="uncomparable"):
            operation(Uncomparable())
    map_.check_invariants()
    map_.store("a", 1)


FATAL: list[tuple[str, Callable[[Map], Any]]] = [
    ("concurrent map writes", lambda map_: map_.store("a", 1)),
    ("concurrent map writes", lambda map_: map_.delete("a")),
    ("concurrent map writes", lambda map_: map_.clear()),
    ("concurrent map read and map write", lambda map_: map_.load("a")),
    ("concurrent map iteration and map write", lambda map_: map_.range()),
    ("concurrent map clone and map write", lambda map_: map_.clone()),
]


@pytest.mark.parametrize(("words", "operation"), FATAL)
def test_what_meets_a_writer_dies_with_these_words(words: str, operation: Callable[[Map], Any]) -> None:
    map_ = filled(3)
    map_.flags.write(HASH_WRITING)
    with pytest.raises(FatalError, match=f"^fatal error: {words}$"):
        try:
            operation(map_)
        except Exception:  # noqa: BLE001 - what this shows: nothing recovers from it
            pytest.fail("it was caught")


def test_an_iteration_looks_for_a_writer_at_each_step() -> None:
    map_ = filled(3)
    pairs = map_.items()
    next(pairs)
    map_.flags.write(map_.flags.peek() | HASH_WRITING)
    with pytest.raises(FatalError, match="concurrent map iteration and map write"):
        next(pairs)


def test_len_and_the_reads_of_an_empty_map_do_not_look_for_a_writer() -> None:
    map_, full = PlainMap[Any, Any](), filled(3)
    map_.flags.write(HASH_WRITING)
    full.flags.write(HASH_WRITING)
    map_.delete("a")
    map_.clear()
    assert (map_.load("a"), map_.range(), len(map_), len(full)) == ((None, False), [], 0, 3)


# -- the invariants


def spoiled() -> Iterator[tuple[str, Map]]:
    """Maps in states that no operation leads to, each with the sentence that says so."""
    map_ = filled(3)
    map_.flags.write(HASH_WRITING)
    yield "J1: the flag", map_
    map_ = PlainMap.nil()
    map_.buckets.write(make_bucket_array(0))
    yield "J1: a nil map", map_
    map_ = filled(3)
    map_.B.write(1)
    yield "J2: 1 buckets, B is 1", map_
    map_ = growing()
    map_.oldbuckets.write(map_.oldbuckets.peek()[:4])
    yield "J2: 4 old buckets for 16", map_
    map_ = filled(3)
    map_.flags.write(SAME_SIZE_GROW)
    yield "J2: a growth of the same size", map_
    map_ = growing()
    map_.nevacuate.write(8)
    yield "J3: nevacuate is 8 of 8", map_
    map_ = growing()
    map_.nevacuate.write(7)
    yield "J3: old bucket", map_
    map_ = growing()
    waiting = next(i for i, bucket in enumerate(map_.oldbuckets.peek()) if not bucket.is_evacuated())
    map_.buckets.peek()[waiting + 8].slots[0].tophash.write(9)
    yield f"J4: bucket {waiting + 8} has keys", map_
    map_ = filled(3)
    map_.hash0.write(1)
    yield "J5: 0 has the tophash", map_
    map_ = filled(20)
    map_.buckets.write(map_.buckets.peek()[::-1])
    yield "J5: .* is in bucket", map_
    map_ = filled(3, hash_function=constant)
    map_.buckets.peek()[0].slots[1].key.write(0)
    yield "J5: a key is there twice", map_
    map_ = filled(3)
    map_.buckets.peek()[0].slots[1].tophash.write(2)
    yield "J5: 1 is marked as moved", map_
    map_ = filled(3)
    map_.buckets.peek()[0].slots[1].wipe()
    map_.buckets.peek()[0].slots[1].tophash.write(0)
    yield "J6: 2 comes after the end", map_
    map_ = filled(3)
    map_.count.write(4)
    yield "J7: 3 keys, count is 4", map_
    map_ = filled(3)
    map_.noverflow.write(1)
    yield "J7: 0 overflow buckets, noverflow is 1", map_
    map_ = filled(9, hash_function=lambda key, seed: 0)
    map_.oldbuckets.write(())
    map_.buckets.write(map_.buckets.peek()[:1])
    map_.B.write(0)
    yield "J8: 9 keys in 2\\^0 buckets", map_
    map_ = filled(3)
    map_.buckets.peek()[0].slots[5].elem.write("left")
    yield "J9: an empty slot of bucket 0 still holds None: 'left'", map_


def test_each_broken_invariant_is_named() -> None:
    for sentence, map_ in spoiled():
        with pytest.raises(AssertionError, match=sentence):
            map_.check_invariants()
