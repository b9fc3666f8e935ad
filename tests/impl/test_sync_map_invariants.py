"""The invariants of SyncMap between any two accesses: what whoever holds mu may leave undone, and what nobody may.

Most sentences are seen in the mutants (`mutants_sync_map`); here are those that no single slip brings about, and what
looks broken and is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from memory import memory

from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync import PlainDict
from mapproof.impl.sync_map import EXPUNGED, Box, Entry, ReadOnly, SyncMap
from mapproof.impl.trie_map import TrieMap

Map = SyncMap[Any, Any]


def promoted(*keys: Any) -> Map:
    """A map whose keys are in read only."""
    map_: Map = SyncMap()
    for key in keys:
        map_.store(key, f"value of {key}")
    map_.range()
    return map_


def amended() -> Map:
    """`live` and `deleted` are in read and in dirty, `expunged` is in read only, `new` in dirty only."""
    map_ = promoted("live", "deleted", "expunged")
    map_.delete("expunged")
    map_.store("new", 1)
    map_.delete("deleted")
    return map_


def entries(**items: Entry[Any]) -> PlainDict[Any, Entry[Any]]:
    result: PlainDict[Any, Entry[Any]] = PlainDict()
    for key, entry in items.items():
        result[key] = entry
    return result


def in_read(map_: Map, key: str) -> Entry[Any]:
    return map_.read.peek().m.peek()[key]


def dirty_of(map_: Map) -> PlainDict[Any, Entry[Any]]:
    dirty = map_.dirty.peek()
    assert dirty is not None
    return dirty


def set_p(map_: Map, key: str, p: Any) -> None:
    in_read(map_, key).p.store(p)


def replace_read(map_: Map, m: PlainDict[Any, Entry[Any]], *, amended: bool) -> None:
    map_.read.store(ReadOnly(m, amended))


Step = Callable[[Map], object]


@pytest.mark.parametrize(
    ("make", "step", "sentence"),
    [
        (amended, lambda m: m.read.peek().m.pop("live"), "I5: the key set of a published read.m changed"),
        (
            amended,
            lambda m: m.read.peek().m.__setitem__("by hand", Entry(Box(1))),
            "I5: the key set of a published read.m changed",
        ),
        (
            amended,
            lambda m: replace_read(m, m.read.peek().m, amended=True),
            "mu is free, but read changed",
        ),
        (amended, lambda m: dirty_of(m).pop("new"), "mu is free, but dirty changed"),
        (promoted, lambda m: m.dirty.write(PlainDict()), "mu is free, but dirty changed"),
        (amended, lambda m: m.misses.write(1), "mu is free, but misses changed"),
        (
            amended,
            lambda m: set_p(m, "expunged", None),
            "I6: an entry is no longer expunged, but mu is free",
        ),
    ],
)
def test_what_nobody_may_do_while_mu_is_free(make: Callable[[], Map], step: Step, sentence: str) -> None:
    map_ = make()
    check = map_.step_invariants()
    check()
    step(map_)
    with pytest.raises(AssertionError, match=sentence):
        check()


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([lambda m: m.dirty.write(None)], "I2: read is amended, but there is no dirty"),
        (
            [lambda m: dirty_of(m).__setitem__("live", Entry(Box(1)))],
            "I2: the entry of 'live' is live in read, but dirty does not hold it",
        ),
        ([lambda m: dirty_of(m).pop("live")], "I2: the entry of 'live' is live in read"),
        ([lambda m: dirty_of(m).pop("deleted")], "I4: the entry of 'deleted' is deleted in read"),
        (
            [lambda m: dirty_of(m).__setitem__("expunged", in_read(m, "expunged"))],
            "I3: the entry of 'expunged' is expunged, but dirty has the key",
        ),
        (
            [lambda m: set_p(m, "deleted", EXPUNGED)],
            "I3: the entry of 'deleted' is expunged, but dirty has the key",
        ),
        (
            [lambda m: dirty_of(m).peek()["new"].p.store(EXPUNGED)],
            "I6: the entry of 'new' is expunged, but in dirty",
        ),
        (
            [lambda m: set_p(m, "expunged", Box(1))],
            "I6: an expunged entry got a value before it was made a deleted one",
        ),
        ([lambda m: m.misses.write(2)], "I7: more than one miss was counted at once"),
        (
            [lambda m: replace_read(m, dirty_of(m), amended=True)],
            "I5: dirty is the published read.m",
        ),
        (
            [lambda m: replace_read(m, entries(live=in_read(m, "live")), amended=False)],
            "I1: the new read lacks the entry of '(deleted|new)'",
        ),
        (
            [
                lambda m: set_p(m, "expunged", None),
                lambda m: m.mu.unlock(),
            ],
            "I4: the entry of 'expunged' is deleted in read, but dirty does not hold it",
        ),
        (
            [lambda m: replace_read(m, dirty_of(m), amended=False), lambda m: m.mu.unlock()],
            "I5: dirty is the published read.m",
        ),
    ],
)
def test_what_even_the_holder_of_mu_may_not_do(steps: list[Step], sentence: str) -> None:
    map_ = amended()
    check = map_.step_invariants()
    check()
    map_.mu.lock()
    for step in steps[:-1]:
        step(map_)
        check()
    steps[-1](map_)
    with pytest.raises(AssertionError, match=sentence):
        check()


def test_an_entry_is_expunged_by_the_copy_alone() -> None:
    map_ = promoted("live", "deleted")
    map_.delete("deleted")
    check = map_.step_invariants()
    check()
    with map_.mu:
        map_.dirty.write(PlainDict())
        check()
        set_p(map_, "deleted", EXPUNGED)
        check()
        set_p(map_, "live", EXPUNGED)
        with pytest.raises(AssertionError, match="I6: an entry was expunged that had not been deleted"):
            check()


def test_an_entry_that_is_no_longer_expunged_may_wait_to_be_put_into_dirty() -> None:
    map_ = amended()
    check = map_.step_invariants()
    check()
    with map_.mu:
        check()
        set_p(map_, "expunged", None)
        check()
        set_p(map_, "expunged", Box(1))  # by somebody who needs no lock for it
        check()
        dirty_of(map_)["expunged"] = in_read(map_, "expunged")
        check()
    check()


def test_a_record_that_only_an_unfinished_operation_has_must_not_change_either() -> None:
    map_ = promoted("a")
    check = map_.step_invariants()
    check()
    old = map_.read.peek().m
    for step in (map_.mu.lock, lambda: replace_read(map_, PlainDict(), amended=False), map_.mu.unlock):
        step()
        check()
    old["b"] = Entry(Box(1))
    with pytest.raises(AssertionError, match=r"I5: the key set of a published read\.m changed"):
        check()


def test_steps_that_were_not_watched_are_no_alarm_if_the_watch_begins_after_them() -> None:
    map_: Map = SyncMap()
    check = map_.step_invariants()
    map_.store("a", 1)
    map_.load("a")
    check()
    check()


@pytest.mark.parametrize("make", [SyncMap, TrieMap, ShardedMap])
def test_keys_that_come_and_go_are_not_kept(make: Callable[[], Any]) -> None:
    assert memory(make) <= 2


def test_keys_that_compare_and_delete_removes_are_kept_until_the_next_promotion() -> None:
    # As in Go: the entry is emptied, but stays in dirty, and every new key makes dirty longer than the misses.
    assert memory(SyncMap, 200, lambda map_, key: map_.compare_and_delete(key, 0)) == 200
