"""What holds of Go's built-in map at every step: no program breaks it, and each broken invariant is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from plain_maps import breaks_a_rule_of_iteration, differs_from_a_dict, never_repacks, step_checked
from test_plain_map_rules import constant, filled, growing, spoiled

from mapproof.impl.guarded_map import GuardedMap
from mapproof.impl.plain_map import PlainMap
from mapproof.impl.plain_map_buckets import (
    EMPTY_ONE,
    EMPTY_REST,
    EVACUATED_X,
    HASH_WRITING,
    MIN_TOPHASH,
    SAME_SIZE_GROW,
    Slot,
    make_bucket_array,
)

Map = PlainMap[Any, Any]


@pytest.mark.parametrize(
    ("search", "runs"),
    [(differs_from_a_dict, 15), (breaks_a_rule_of_iteration, 10), (never_repacks, 1)],
)
def test_no_step_of_a_program_breaks_them(search: Callable[..., str | None], runs: int) -> None:
    for seed in range(runs):
        assert step_checked(search)(PlainMap, seed) is None, seed


def test_a_growth_of_the_same_size_may_end_above_the_load() -> None:
    """What is added while it runs asks for no more room, and a deletion may end it: as in Go."""
    map_: Map = PlainMap(26, hash_function=lambda key, seed: key // 100)
    for key in range(24):
        map_.store(key, 0)
    for key in range(16):
        map_.delete(key)
    for key in [*range(100, 117), 50, 51]:
        map_.store(key, 0)
    assert (map_.B.peek(), len(map_.oldbuckets.peek()), map_.flags.peek() & SAME_SIZE_GROW) == (2, 4, 8)
    map_.delete(-1000)
    assert (len(map_), map_.B.peek(), map_.oldbuckets.peek()) == (27, 2, ())
    map_.check_invariants()


def test_what_is_broken_at_rest_is_named_at_the_next_step() -> None:
    for sentence, map_ in spoiled():
        check = map_.step_invariants()
        if sentence != "J1: the flag":
            with pytest.raises(AssertionError, match=sentence):
                check()


# -- a writer that does what none does


def writing(map_: Map) -> Map:
    map_.flags.write(map_.flags.peek() | HASH_WRITING)
    return map_


def first(map_: Map) -> Slot:
    return map_.buckets.peek()[0].slots[0]


def changes_without_the_flag(map_: Map, check: Callable[[], None]) -> None:
    first(map_).key.write("another")


def forgets_to_swap_the_buckets_in(map_: Map, check: Callable[[], None]) -> None:
    writing(map_).B.write(2)


def loses_the_old_buckets(map_: Map, check: Callable[[], None]) -> None:
    writing(map_).B.write(1)
    check()
    map_.buckets.write(make_bucket_array(1))


def puts_in_old_buckets_of_another_size(map_: Map, check: Callable[[], None]) -> None:
    writing(map_).oldbuckets.write(make_bucket_array(3))


def ends_a_growth_early(map_: Map, check: Callable[[], None]) -> None:
    writing(map_).oldbuckets.write(())


def stores_a_key_twice(map_: Map, check: Callable[[], None]) -> None:
    slots = writing(map_).buckets.peek()[0].slots
    slots[3].key.write(0)
    check()
    slots[3].tophash.write(first(map_).tophash.peek())


def stores_a_key_with_the_wrong_tophash(map_: Map, check: Callable[[], None]) -> None:
    first(writing(map_)).tophash.write(MIN_TOPHASH)


def adds_two_keys_and_counts_none(map_: Map, check: Callable[[], None]) -> None:
    for slot in writing(map_).buckets.peek()[0].slots[3:5]:
        slot.tophash.write(9)
        check()


def evacuates_two_buckets_at_once(map_: Map, check: Callable[[], None]) -> None:
    writing(map_)
    for head in map_.oldbuckets.peek():
        if head.slots[0].tophash.peek() >= MIN_TOPHASH:
            head.slots[0].tophash.write(EVACUATED_X)


def stores_before_it_evacuates(map_: Map, check: Callable[[], None]) -> None:
    writing(map_)
    number = next(i for i, head in enumerate(map_.oldbuckets.peek()) if not head.is_evacuated())
    map_.buckets.peek()[number].slots[0].tophash.write(9)


def links_a_bucket_and_counts_none(map_: Map, check: Callable[[], None]) -> None:
    writing(map_).buckets.peek()[0].overflow.write(make_bucket_array(0)[0])


def takes_two_keys_and_leaves_one(map_: Map, check: Callable[[], None]) -> None:
    for slot in writing(map_).buckets.peek()[0].slots[:2]:
        slot.wipe()
        slot.tophash.write(EMPTY_ONE)
        check()
    map_.count.write(1)
    map_.flags.write(0)


def ends_a_chain_before_a_key(map_: Map, check: Callable[[], None]) -> None:
    first(writing(map_)).wipe()
    first(map_).tophash.write(EMPTY_REST)
    check()
    first(map_).key.write(0)
    first(map_).tophash.write(map_.buckets.peek()[0].slots[1].tophash.peek())


WRONG: list[tuple[str, Callable[[], Map], Callable[[Map, Callable[[], None]], None]]] = [
    ("S1: the table was changed", lambda: filled(3), changes_without_the_flag),
    ("S2: 1 buckets, B is 2", lambda: filled(3), forgets_to_swap_the_buckets_in),
    ("S2: the buckets were replaced", lambda: filled(3), loses_the_old_buckets),
    ("S2: 8 old for 1", lambda: filled(3), puts_in_old_buckets_of_another_size),
    ("S3: old buckets were let go", growing, ends_a_growth_early),
    ("S4: a key is there twice", lambda: filled(3), stores_a_key_twice),
    ("S4: 0 is in bucket 0 with the tophash 5", lambda: filled(3), stores_a_key_with_the_wrong_tophash),
    ("S6: 5 keys, count is 3", lambda: filled(3), adds_two_keys_and_counts_none),
    ("S5: old buckets .* are half evacuated", growing, evacuates_two_buckets_at_once),
    ("S5: bucket . has keys, and old bucket", growing, stores_before_it_evacuates),
    ("S6: 1 overflow buckets, noverflow is 0", lambda: filled(3), links_a_bucket_and_counts_none),
    (
        "S7: what only a clear does was done, and left 1 keys",
        lambda: filled(3),
        takes_two_keys_and_leaves_one,
    ),
    (
        "S7: what only a clear does was done, and then there were 3 keys",
        lambda: filled(3, hash_function=constant),
        ends_a_chain_before_a_key,
    ),
]


@pytest.mark.parametrize(("sentence", "make", "act"), WRONG, ids=lambda it: getattr(it, "__name__", ""))
def test_each_broken_step_is_named(
    sentence: str, make: Callable[[], Map], act: Callable[[Map, Callable[[], None]], None]
) -> None:
    map_ = make()
    check = map_.step_invariants()
    check()
    with pytest.raises(AssertionError, match=sentence):
        act(map_, check)
        check()


def test_a_guarded_map_that_is_written_without_its_lock_is_named() -> None:
    def changes_a_value(map_: GuardedMap[Any, Any]) -> None:
        first(map_.items).elem.write("another")

    def sets_the_flag(map_: GuardedMap[Any, Any]) -> None:
        writing(map_.items)

    def under_the_read_lock(map_: GuardedMap[Any, Any]) -> None:
        map_.mu.rlock()
        changes_a_value(map_)

    for act in (changes_a_value, sets_the_flag, under_the_read_lock):
        map_ = GuardedMap[Any, Any]()
        map_.store("a", 1)
        check = map_.step_invariants()
        check()
        with pytest.raises(AssertionError, match="somebody writes, but no writer has mu for itself"):
            act(map_)
            check()


def test_a_guarded_map_whose_lock_is_held_is_not_at_rest() -> None:
    map_ = GuardedMap[Any, Any]()
    map_.mu.rlock()
    with pytest.raises(AssertionError, match="mu is held or waited for"):
        map_.check_invariants()
