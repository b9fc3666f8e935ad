"""What Go's sync.Map (1.23) does inside: thresholds, who counts a miss, the life of an entry, Range and Clear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mapproof.impl.sync import PlainDict
from mapproof.impl.sync_map import EXPUNGED, Box, Entry, ReadOnly, SyncMap, should_promote

Map = SyncMap[Any, Any]


def with_keys(*keys: Any) -> Map:
    """A map whose keys are in dirty only."""
    map_: Map = SyncMap()
    for key in keys:
        map_.store(key, f"value of {key}")
    return map_


def promoted(*keys: Any) -> Map:
    """A map whose keys are in read only."""
    map_ = with_keys(*keys)
    map_.range()
    return map_


def state(map_: Map) -> tuple[list[Any], bool, list[Any] | None, int]:
    """(keys of read.m, amended, keys of dirty, misses)."""
    read, dirty = map_.read.peek(), map_.dirty.peek()
    return (
        list(read.m.peek()),
        read.amended,
        None if dirty is None else list(dirty.peek()),
        map_.misses.peek(),
    )


def pointer(map_: Map, key: Any) -> Any:
    """The p of the key's entry in read.m."""
    return map_.read.peek().m.peek()[key].p.peek()


def test_stores_alone_never_promote() -> None:
    map_ = with_keys(*range(100))
    for number in range(2000):
        map_.store(number % 100, number)
        map_.swap(number % 100, number)
    assert state(map_) == ([], True, list(range(100)), 0)


def test_the_miss_that_equals_the_size_of_dirty_promotes() -> None:
    map_ = with_keys(*range(1000))
    for key in range(999):
        map_.load(key)
    assert state(map_) == ([], True, list(range(1000)), 999)
    map_.load(0)
    assert state(map_) == (list(range(1000)), False, None, 0)


def test_the_size_counts_at_the_miss() -> None:
    map_ = with_keys("a", "b")
    map_.load("a")
    map_.store("c", 1)
    map_.load("a")
    assert state(map_) == ([], True, ["a", "b", "c"], 2)
    map_.load("a")
    assert state(map_) == (["a", "b", "c"], False, None, 0)


@pytest.mark.parametrize(
    ("misses", "dirty_len", "expected"), [(0, 0, True), (1, 2, False), (2, 2, True), (1, 0, True)]
)
def test_should_promote(misses: int, dirty_len: int, expected: bool) -> None:
    assert should_promote(misses, dirty_len) is expected


DIRTY_VALUE = "value of d1"


@pytest.mark.parametrize(
    ("operation", "misses_present", "misses_absent"),
    [
        (lambda m, k: m.load(k), 1, 1),
        (lambda m, k: m.load_and_delete(k), 1, 1),
        (lambda m, k: m.delete(k), 1, 1),
        (lambda m, k: m.compare_and_delete(k, DIRTY_VALUE), 1, 1),
        (lambda m, k: m.compare_and_delete(k, "other"), 1, 1),
        (lambda m, k: m.load_or_store(k, 1), 1, 0),
        (lambda m, k: m.compare_and_swap(k, DIRTY_VALUE, 1), 1, 0),
        (lambda m, k: m.compare_and_swap(k, "other", 1), 1, 0),
        (lambda m, k: m.store(k, 1), 0, 0),
        (lambda m, k: m.swap(k, 1), 0, 0),
    ],
    ids="load load_and_delete delete cad cad_differs load_or_store cas cas_differs store swap".split(),
)
def test_who_counts_a_miss(
    operation: Callable[[Map, Any], Any], misses_present: int, misses_absent: int
) -> None:
    for key, expected in [("d1", misses_present), ("absent", misses_absent), ("r1", 0)]:
        map_ = promoted("r1")
        for new in ["d1", "d2", "d3", "d4"]:
            map_.store(new, f"value of {new}")
        operation(map_, key)
        assert map_.misses.peek() == expected, key


def test_nothing_counts_a_miss_unless_amended() -> None:
    map_ = promoted("a")
    for key in ["a", "absent"]:
        map_.load(key)
        map_.compare_and_swap(key, 1, 2)
        map_.compare_and_delete(key, 1)
        map_.load_and_delete(key)
    assert state(map_) == (["a"], False, None, 0)


def test_a_delete_can_promote_what_is_left() -> None:
    map_ = with_keys("a", "b")
    map_.delete("a")
    assert state(map_) == (["b"], False, None, 0)


def test_compare_and_delete_leaves_an_emptied_entry_in_dirty() -> None:
    map_ = with_keys("a", "b", "c")
    assert map_.compare_and_delete("a", "value of a")
    assert state(map_) == ([], True, ["a", "b", "c"], 1)
    assert map_.load("a") == (None, False)


def test_a_deleted_entry_is_expunged_by_the_next_copy_and_comes_back_by_a_store() -> None:
    map_ = promoted("a", "b")
    entry = map_.read.peek().m.peek()["a"]
    map_.delete("a")
    assert pointer(map_, "a") is None
    map_.store("c", 1)
    assert pointer(map_, "a") is EXPUNGED
    assert state(map_) == (["a", "b"], True, ["b", "c"], 0)
    assert map_.load("a") == (None, False)
    assert map_.load_and_delete("a") == (None, False)
    assert not map_.compare_and_swap("a", None, 1)
    assert map_.swap("a", 2) == (None, False)
    assert state(map_) == (["a", "b"], True, ["b", "c", "a"], 0)
    dirty = map_.dirty.peek()
    assert dirty is not None
    assert dirty.peek()["a"] is entry
    assert map_.load("a") == (2, True)


def test_load_or_store_unexpunges_too() -> None:
    map_ = promoted("a")
    map_.delete("a")
    map_.store("b", 1)
    assert pointer(map_, "a") is EXPUNGED
    assert map_.load_or_store("a", 2) == (2, False)
    assert state(map_)[2] == ["b", "a"]
    map_.check_invariants()


def test_an_expunged_key_is_gone_after_the_promotion() -> None:
    map_ = promoted("a", "b")
    map_.delete("a")
    map_.store("c", 1)
    map_.range()
    assert state(map_) == (["b", "c"], False, None, 0)


def test_a_store_refills_a_deleted_entry_without_dirty() -> None:
    map_ = promoted("a")
    map_.delete("a")
    assert map_.load_or_store("a", 1) == (1, False)
    assert state(map_) == (["a"], False, None, 0)


def test_range_promotes_at_once_even_if_it_stops_at_once() -> None:
    map_ = with_keys("a", "b", "c")
    seen: list[Any] = []

    def stop(key: Any, value: Any) -> bool:
        seen.append(key)
        return False

    map_.range(stop)
    assert seen == ["a"]
    assert state(map_) == (["a", "b", "c"], False, None, 0)


def test_range_reads_each_value_late_and_never_sees_new_keys() -> None:
    map_ = promoted("a", "b", "c")
    seen: list[Any] = []

    def change(key: Any, value: Any) -> bool:
        seen.append((key, value))
        map_.store("b", "new")
        map_.delete("c")
        map_.store("d", 1)
        return True

    map_.range(change)
    assert seen == [("a", "value of a"), ("b", "new")]


def test_range_may_be_nested_with_changes() -> None:
    """Go's TestMapRangeNestedCall."""
    map_ = with_keys("hello", "world", "golang")

    def outer(key: Any, value: Any) -> bool:
        def inner(key: Any, value: Any) -> bool:
            assert map_.load_or_store(42, "dummy") == ("dummy", False)
            assert map_.load_and_delete(42) == ("dummy", True)
            map_.check_invariants()
            return True

        map_.range(inner)
        map_.delete(key)
        return True

    map_.range(outer)
    assert map_.range() == []


def test_none_is_a_value_and_equals_no_absent_key() -> None:
    map_: Map = SyncMap()
    assert not map_.compare_and_swap("a", None, 42)
    assert map_.load_or_store("a", None) == (None, False)
    assert map_.load("a") == (None, True)
    assert map_.compare_and_swap("a", None, 42)


def test_clear_keeps_dirty_but_empties_it() -> None:
    map_ = promoted("a")
    map_.store("b", 1)
    map_.load("b")
    map_.clear()
    assert state(map_) == ([], False, [], 0)
    map_.check_invariants()
    map_.store("c", 1)
    assert state(map_) == ([], True, ["c"], 0)
    assert map_.range() == [("c", 1)]


def test_clear_of_an_empty_map_publishes_nothing() -> None:
    map_: Map = SyncMap()
    before = map_.read.peek()
    map_.clear()
    assert map_.read.peek() is before


def test_a_failing_comparison_leaves_the_map_unlocked() -> None:
    class Uncomparable:
        def __eq__(self, other: object) -> bool:
            raise TypeError("uncomparable")

    map_ = with_keys("b", "c")
    map_.store("a", Uncomparable())
    with pytest.raises(TypeError, match="uncomparable"):
        map_.compare_and_swap("a", 1, 2)
    map_.check_invariants()


def broken(
    read: dict[str, Any], dirty: dict[str, Any] | None, *, amended: bool = False, misses: int = 0
) -> Map:
    """A map in a state that no operation leads to; where both name a key with one object, they share an entry."""
    map_: Map = SyncMap()
    map_.read.store(ReadOnly(dictionary(read), amended))
    map_.dirty.write(None if dirty is None else dictionary(dirty))
    map_.misses.write(misses)
    return map_


def dictionary(entries: dict[str, Any]) -> PlainDict[Any, Entry[Any]]:
    result: PlainDict[Any, Entry[Any]] = PlainDict()
    for key, entry in entries.items():
        result[key] = entry
    return result


def entry(p: Any) -> Entry[Any]:
    made: Entry[Any] = Entry(Box(0))
    made.p.store(p)
    return made


def test_each_broken_invariant_is_named() -> None:
    live = entry(Box(1))
    for map_, sentence in [
        (broken({}, {"a": live}), "I1: read is not amended, but dirty holds keys"),
        (broken({}, None, amended=True), "I2: read is amended, but there is no dirty"),
        (broken({"a": live}, {}, amended=True), "I2: the entry of 'a' is live in read"),
        (broken({"a": live}, {"a": entry(Box(1))}, amended=True), "I2: the entry of 'a' is live in read"),
        (broken({"a": entry(EXPUNGED)}, None), "I3: the entry of 'a' is expunged, but there is no dirty"),
        (broken({"a": entry(EXPUNGED)}, {"a": live}, amended=True), "I3: .* but dirty has the key"),
        (broken({"a": entry(None)}, {"b": live}, amended=True), "I4: the entry of 'a' is deleted in read"),
        (broken({}, {"a": entry(EXPUNGED)}, amended=True), "I6: the entry of 'a' is expunged, but in dirty"),
        (broken({}, {"a": live}, amended=True, misses=1), "I7: 1 misses of a dirty with 1 keys"),
        (broken({}, None, misses=1), "I7: 1 misses of a dirty with 0 keys"),
    ]:
        with pytest.raises(AssertionError, match=sentence):
            map_.check_invariants()


def test_a_shared_dictionary_and_a_held_lock_are_named() -> None:
    shared = with_keys("a")
    dirty = shared.dirty.peek()
    assert dirty is not None
    shared.read.store(ReadOnly(dirty, amended=True))
    with pytest.raises(AssertionError, match=r"I5: dirty is the published read\.m"):
        shared.check_invariants()
    held = with_keys("a")
    held.mu.lock()
    with pytest.raises(AssertionError, match="mu is held"):
        held.check_invariants()
