"""What goes wrong with the rehash that is often sketched: each of its parts run, with the step that breaks it.

`docs/sharded-map.md` tells the same in words.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import sketches
from sketches import Keyspace

from mapproof.impl.hashing import Routing, shard_of, split_targets
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.small_maps import by_low_bits, splitting_map
from mapproof.spec.claims import Claims
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Target
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.exploration import Explored

BOTH_PHASES = "load next; load next"


def explored(make: Any, setup: str, *threads: str, bound: int = 2) -> Explored:
    target = Target(make.__name__, make, adapter_for(make()), (), Claims())
    return Exhaustion(make.__name__, target, scenario_of(target.adapter, setup, *threads), bound).run()


# -- when a shard splits


def test_a_split_of_keys_that_share_their_bits_lowers_no_load() -> None:
    """Claim 4.8: the load factor starts a split, but a split does not always lower it, so their number is bounded."""
    map_: ShardedMap[int, int] = ShardedMap(
        shards=1, capacity=2, max_shards=8, batch=99, hash_key=lambda key: 8 * key
    )
    for key in range(8):
        map_.store(key, key)
    for now in range(0, 100, 5):
        map_.maintain(now)
    assert len(map_.route.peek().slots) == 8
    assert max(shard.count.peek() for shard in map_.route.peek().shards()) == 8


# -- where keys go (4.9, 4.10)


@pytest.mark.parametrize("bits", range(1, 7))
def test_of_all_halves_of_shards_two_go_to_a_child_that_is_numbered_2i_or_2i_plus_1(bits: int) -> None:
    """By the doubled remainder, that is: half a shard is the keys of a shard whose next bit is the same."""
    shards = 1 << bits
    right = [h for h in range(2 * shards) if h % (2 * shards) // 2 == h % shards]
    assert right == [0, 2 * shards - 1]


def test_the_numbers_2i_and_2i_plus_1_belong_to_other_shards_when_one_shard_splits() -> None:
    """For each shard of the lower half; those of the upper half get numbers that leave gaps."""
    shards = 16
    for shard in range(1, shards // 2):
        others = set(range(shards)) - {shard}
        assert {2 * shard, 2 * shard + 1} <= others
        assert not others & set(split_targets(shard, shards))
    # By the top bits they are the right numbers, among twice as many.
    assert Routing.TOP_BITS.split_targets(1, shards) == (2, 3)


def test_the_doubled_remainder_for_all_loses_what_was_not_migrated() -> None:
    """One shard of four has split. A route of one number for all can be by 4 or by 8, and neither is right."""
    shards, split = 4, 1
    placed = {h: h % 8 if h % shards == split else h % shards for h in range(64)}
    assert [h for h in placed if placed[h] != h % 4] == [h for h in placed if h % 8 == 5]
    assert [h for h in placed if placed[h] != h % 8] == [h for h in placed if h % 8 in (4, 6, 7)]
    # With a slot for each of eight, of which the other shards have two, every key is found.
    slots = [slot if slot % shards == split else slot % shards for slot in range(8)]
    assert all(slots[h % 8] == shard for h, shard in placed.items())


def test_a_number_of_shards_that_is_read_anew_for_each_batch_sends_a_shard_to_more_than_two() -> None:
    """Another shard's split may end between two batches, and `current_shard_count * 2` is another number then."""
    keys = [h for h in range(64) if shard_of(h, 2) == 1]
    targets = {h % (2 * 2) for h in keys[:16]} | {h % (2 * 4) for h in keys[16:]}
    assert targets == {1, 3, 5, 7}
    assert set(split_targets(1, 2)) == {1, 3}


def test_pythons_hash_of_a_text_is_another_one_in_every_process() -> None:
    def hash_in(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        words = [sys.executable, "-c", "print(hash('shard:1:k') % 128)"]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout

    assert len({hash_in(seed) for seed in ("1", "2", "3")}) > 1


# -- MOVE (4.11, 4.12)


def test_a_moved_key_keeps_its_name_and_so_its_shard() -> None:
    database_0, database_1 = Keyspace("database 0"), Keyspace("database 1")
    database_0.set("shard:0:k", 1)
    assert database_0.move("shard:0:k", database_1)
    assert database_0.get("shard:1:k") == (None, False), "where the new route looks"
    assert database_1.get("shard:0:k") == (1, True), "where it is"


def test_a_key_that_was_written_to_both_is_not_moved() -> None:
    """So dual writes and MOVE exclude each other: the key stays in the old shard for good."""
    old, new = Keyspace("old"), Keyspace("new")
    for shard in (old, new):
        shard.set("k", 2)
    assert not old.move("k", new)
    assert old.get("k") == (2, True)


def test_after_moves_there_is_nothing_left_to_compare() -> None:
    map_ = sketches.Moved()
    map_.store("a", 1)
    map_.migrate()
    assert (map_.old.items(), map_.new.items()) == ([], [("a", 1)])


@pytest.mark.parametrize("make", [sketches.Moved, sketches.MovedAndSoughtNewFirst])
def test_an_atomic_move_still_hides_the_key_from_readers(make: Any) -> None:
    result = explored(make, "store a 1", BOTH_PHASES, "load a", bound=1)
    assert result.verdict == "FAILED", result.evidence()
    assert "found key 'a' missing" in str(result.evidence().counterexample)


def test_readers_that_look_where_a_key_leaves_before_where_it_comes_find_it() -> None:
    """But then every read of the new shard costs two until the switch, and a write must choose one of them."""
    result = explored(sketches.MovedAndSoughtOldFirst, "store a 1", BOTH_PHASES, "load a; load a")
    assert result.verdict == "EXHAUSTED", result.evidence()


# -- SCAN (4.13)


def scanned(table: dict[int, list[str]], cursor: int, slots: int) -> tuple[int, list[str]]:
    """A page of SCAN: the keys of the next slots of the hash table, and the cursor to go on with, 0 at the end."""
    page = [key for slot in range(cursor, min(cursor + slots, len(table))) for key in table[slot]]
    return (cursor + slots if cursor + slots < len(table) else 0), page


def test_a_scan_for_one_shard_goes_through_all_and_mostly_finds_nothing() -> None:
    """MATCH is applied to the page that was fetched."""
    table = {slot: [f"shard:{slot % 64}:k{slot}"] for slot in range(640)}
    pages, cursor = [], 0
    while True:
        cursor, page = scanned(table, cursor, 10)
        pages.append([key for key in page if key.startswith("shard:7:")])
        if cursor == 0:
            break
    assert sum(map(len, pages)) == 10
    assert len(pages) == 64 and sum(not page for page in pages) == 54


def test_a_scan_may_miss_a_key_that_is_new_and_meet_one_twice() -> None:
    table: dict[int, list[str]] = {0: ["a"], 1: ["b"]}
    cursor, first = scanned(table, 0, 1)
    table[0].append("new")
    table[1].append(table[0].pop(0))  # a table that grows or shrinks meanwhile
    _, second = scanned(table, cursor, 1)
    assert first + second == ["a", "b", "a"]


def test_a_key_that_the_cursor_missed_is_lost_unless_writes_are_made_twice() -> None:
    result = explored(sketches.WrittenOnce, "store b 1", BOTH_PHASES, "store a 1; load a")
    assert result.verdict == "FAILED", result.evidence()
    assert "key 'a'" in str(result.evidence().counterexample)


# -- dual writes and the switch (4.14, 4.15)


@pytest.mark.parametrize(
    ("make", "write", "wrong"),
    [
        (sketches.Copied, "store a 2", "the copy was read before the write and written after it"),
        (sketches.FilledIn, "delete a", "the copy brings a deleted key back"),
        (sketches.Compared, "store a 2", "the writer saw migrating 0, and wrote to the old shard only"),
    ],
)
def test_dual_writes_without_a_lock_lose_a_write(make: Any, write: str, wrong: str) -> None:
    result = explored(make, "store a 1", BOTH_PHASES, write)
    assert result.verdict == "FAILED", wrong
    assert "key 'a'" in str(result.evidence().counterexample)


def test_two_writers_that_write_twice_may_leave_the_two_shards_different() -> None:
    """Client 0 loads the key by the old route, lets it switch, and loads the key again."""
    result = explored(sketches.Copied, "store a 1; load next", "store a 2", "store a 3")
    assert result.verdict == "FAILED", result.evidence()
    assert "key 'a' held 2" in str(result.evidence().counterexample)


def test_the_switch_between_the_two_writes_of_a_writer_takes_its_write_back() -> None:
    """One reader sees the new value by the old route, and the old value by the new one."""
    result = explored(
        sketches.Compared, "store a 1; load next", "load next", "store a 2", "load a; load a", bound=3
    )
    assert result.verdict == "FAILED", result.evidence()


def test_an_old_shard_that_is_read_after_the_switch_is_stale() -> None:
    result = explored(sketches.ReadFromTheOld, f"store a 1; {BOTH_PHASES}", "store a 2", "load a")
    assert result.verdict == "FAILED", result.evidence()


def test_an_old_shard_that_is_frozen_is_right_for_who_came_before_the_switch_and_is_let_go() -> None:
    map_: ShardedMap[str, int] = ShardedMap(shards=1, capacity=1, batch=1, hash_key=by_low_bits)
    map_.store("a", 1)
    old = map_.route.peek().slots[0]
    map_.rehash()
    map_.store("a", 2)
    assert old.find(0, "a").value == 1, (
        "who had the old route before the switch reads what was true at the switch"
    )
    assert old not in map_.route.peek().slots and old not in map_.waiting.peek()


def test_two_writers_and_the_switch_do_no_harm_to_the_map_in_shards() -> None:
    """The other scenarios of the sketches are in the catalogue, for the map as it is."""
    result = explored(splitting_map, "store a 1; len", "store a 2", "store a 3; load a; len; load a")
    assert result.verdict == "EXHAUSTED", result.evidence()
