"""Go's sync.Map from 1.24 on: the trie's shape, its answers in sequence, every short interleaving, real threads.

The idea: everything runs under several hashes, since most of the algorithm is about hashes that agree (Go's own
tests do the same).
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tries import HASHES, Hash, divergence, seeded

from mapproof.impl.small_maps import by_paths, every_key_the_same, top
from mapproof.impl.sync import Atomic
from mapproof.impl.trie_map import TrieMap, seeded_hash
from mapproof.impl.trie_nodes import CHILDREN, HASH_BITS, Entry, Indirect
from mapproof.spec.linearizability import Linearizable, check
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue.hashed import explorations
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.machines import machine_for
from mapproof.stateful_tests.real_threads import record

Map = TrieMap[Any, Any]
Run = Callable[..., None]

EXPLORATIONS = [of for of in explorations() if of.name.startswith("TrieMap")]

every_hash = pytest.mark.parametrize("hash_of", HASHES.values(), ids=HASHES)


# -- the trie itself


def shape(map_: Map) -> Any:
    """The trie as nested dicts of nibbles, with chains as strings of keys."""
    root = map_.root.peek()
    return None if root is None else _shape(root)


def _shape(node: Any) -> Any:
    if isinstance(node, Indirect):
        children = ((index, child.peek()) for index, child in enumerate(node.children))
        return {index: _shape(child) for index, child in children if child is not None}
    return "" if node is None else node.key + _shape(node.overflow.peek())


def with_keys(keys: str) -> Map:
    map_: Map = TrieMap(by_paths)
    for key in keys:
        map_.store(key, f"value of {key}")
    return map_


def test_nothing_is_made_before_the_first_use() -> None:
    map_: Map = TrieMap()
    map_.check_invariants()
    assert shape(map_) is None
    assert map_.load("a") == (None, False)
    assert shape(map_) == {}


def test_keys_lie_where_their_hashes_part() -> None:
    assert shape(with_keys("a")) == {1: "a"}
    assert shape(with_keys("ab")) == {1: {1: "a", 2: "b"}}
    assert shape(with_keys("abc")) == {1: {1: "a", 2: "cb"}}
    assert shape(with_keys("bca")) == {1: {1: "a", 2: "cb"}}
    assert shape(with_keys("dabce")) == {1: {1: "a", 2: "cb", 3: "e"}, 2: "d"}


def test_a_node_goes_with_its_last_child_and_not_before() -> None:
    map_ = with_keys("abcd")
    for key, left in [("b", {1: {1: "a", 2: "c"}, 2: "d"}), ("a", {1: {2: "c"}, 2: "d"}), ("c", {2: "d"})]:
        map_.delete(key)
        assert shape(map_) == left
    assert map_.compare_and_delete("d", "value of d")
    assert shape(map_) == {}


def test_two_hashes_that_differ_in_the_last_bit_part_at_the_last_level_and_leave_nothing_behind() -> None:
    map_: Map = TrieMap(lambda key: key)
    map_.store(0, "zero")
    map_.store(1, "one")
    depth = 0
    node: Any = map_.root.peek()
    while isinstance(node, Indirect):
        depth, node = depth + 1, node.children[0].peek()
    assert depth == 16
    map_.check_invariants()
    map_.delete(1)
    map_.delete(0)
    assert shape(map_) == {}


def test_a_value_is_replaced_in_its_place_of_the_chain() -> None:
    map_: Map = TrieMap(every_key_the_same)
    for key in "abc":
        map_.store(key, 0)
    for key in "bca":
        assert map_.swap(key, 1) == (0, True)
        assert map_.compare_and_swap(key, 1, 2)
    assert map_.range() == [("c", 2), ("b", 2), ("a", 2)]


def test_a_hash_may_be_negative_or_long() -> None:
    map_: Map = TrieMap(lambda key: key)
    for key in (-1, -(1 << 70), 1 << 64, 0):
        map_.store(key, key)
        map_.check_invariants()
    assert sorted(map_.range()) == [(key, key) for key in (-(1 << 70), -1, 0, 1 << 64)]


def test_the_hash_differs_by_seed_and_is_one_to_one() -> None:
    assert {seeded_hash(1)("a"), seeded_hash(2)("a")} != {seeded_hash(1)("a")}
    assert len({seeded(key) for key in range(5_000)}) == 5_000
    assert all(0 <= seeded(key) < 1 << HASH_BITS for key in (-1, "a", 1 << 80))
    counts = [0] * CHILDREN
    for key in range(1_600):
        counts[seeded(key) >> (HASH_BITS - 4)] += 1
    assert min(counts) > 60, "the first child of small numbers is chosen evenly"


def test_a_hash_that_changes_is_said_to() -> None:
    hashes = {"a": 0, "b": 1, "c": 0}
    map_: Map = TrieMap(lambda key: hashes[key])
    map_.store("a", 1)
    map_.store("b", 1)
    hashes["a"] = top(5)
    with pytest.raises(AssertionError, match="T4: 'a' is not where its hash leads"):
        map_.check_invariants()
    with pytest.raises(AssertionError, match="the hash of a key must not change"):
        map_.store("c", 1)


# -- in sequence


@every_hash
def test_hundreds_of_random_sequences_answer_as_a_dict(hash_of: Hash) -> None:
    make = partial(TrieMap[Any, Any], hash_of)
    assert [found for seed in range(200) if (found := divergence(make, seed))] == []


@every_hash
def test_drawn_programs_agree_with_the_model(hash_of: Hash) -> None:
    make = partial(TrieMap[Any, Any], hash_of)
    quick = settings(max_examples=40, deadline=None)
    run_state_machine_as_test(machine_for(make, adapter_for(make())), settings=quick)


# -- what the tests of Go's own map assert


@every_hash
def test_range_may_be_nested_with_changes(hash_of: Hash) -> None:
    """Go's TestMapRangeNestedCall."""
    map_: Map = TrieMap(hash_of)
    for key in ["hello", "world", "golang"]:
        map_.store(key, key)

    def inner(key: Any, value: Any) -> bool:
        assert map_.load_or_store(42, "dummy")[0] == "dummy"
        assert map_.load_and_delete(42) == ("dummy", True)
        map_.check_invariants()
        return True

    def outer(key: Any, value: Any) -> bool:
        map_.range(inner)
        map_.delete(key)
        return True

    map_.range(outer)
    assert map_.range() == []


def test_range_stops_and_may_meet_new_keys() -> None:
    map_ = with_keys("ad")
    seen: list[Any] = []

    def stop(key: Any, value: Any) -> bool:
        seen.append(key)
        return False

    def grow(key: Any, value: Any) -> bool:
        seen.append((key, value))
        map_.store("b", "new")
        map_.store("d", "late")
        return True

    map_.range(stop)
    assert seen == ["a"]
    seen.clear()
    map_.range(grow)
    assert seen == [("a", "value of a"), ("d", "late")], "b is in the slot that was visited before"
    map_.delete("b")
    seen.clear()
    map_.range(grow)
    assert seen == [("a", "value of a"), ("b", "new"), ("d", "late")], "the key set is not frozen"


def test_none_is_a_value_and_equals_no_absent_key() -> None:
    """Go's TestCompareAndSwap_NonExistingKey."""
    map_: Map = TrieMap()
    assert not map_.compare_and_swap("a", None, 42)
    assert not map_.compare_and_delete("a", None)
    assert map_.load_or_store("a", None) == (None, False)
    assert map_.compare_and_swap("a", None, 42)


class Thing:
    """A key that can be weakly referenced."""


@every_hash
def test_deleted_keys_can_be_collected(hash_of: Hash) -> None:
    """Go's TestIssue40999: nothing but the entry holds a key, and nobody waits for the next cycle to let it go."""
    map_: Map = TrieMap(hash_of)
    map_.store("resident", 0)
    gc.disable()
    try:
        for _ in range(20):
            thing = Thing()
            remembered = weakref.ref(thing)
            map_.store(thing, thing)
            map_.delete(thing)
            del thing
            assert remembered() is None
    finally:
        gc.enable()


def test_a_failing_comparison_leaves_the_map_unlocked() -> None:
    class Uncomparable:
        calls = 0

        def __eq__(self, other: object) -> bool:
            type(self).calls += 1
            if self.calls % 2 == 0:
                raise TypeError("uncomparable")
            return True

    for op, args in [("compare_and_swap", (1, 2)), ("compare_and_delete", (1,))]:
        map_: Map = TrieMap()
        map_.store("a", Uncomparable())
        with pytest.raises(TypeError, match="uncomparable"):
            getattr(map_, op)("a", *args)
        map_.check_invariants()


# -- broken states


def replaced(keys: str, path: tuple[int, ...], child: Any) -> Map:
    """A map of these keys with one child, found by its nibbles, put there by hand."""
    map_ = with_keys(keys)
    node: Any = map_.root.peek()
    for nibble in path[:-1]:
        node = node.children[nibble].peek()
    node.children[path[-1]].store(child(node) if callable(child) else child)
    return map_


def chain(*keys: str) -> Any:
    head: Any = None
    for key in reversed(keys):
        head = Entry(key, 0, Atomic(head))
    return head


def dead(node: Any) -> Any:
    made = full(node)
    made.dead.store(True)
    return made


def full(node: Any) -> Any:
    made: Indirect[Any, Any] = Indirect(node)
    made.children[1].store(chain("a"))
    return made


def test_each_broken_invariant_is_named() -> None:
    for map_, sentence in [
        (replaced("d", (1,), full(None)), "T1: the parent of a node"),
        (replaced("d", (1,), dead), "T2"),
        (replaced("d", (1,), Indirect), "T3"),
        (replaced("d", (3,), chain("d")), "T4: 'd'"),
        (replaced("ab", (1, 4), chain("a")), "T4: 'a'"),
        (replaced("d", (1,), chain("a", "b")), "T5: 'b' is in a chain of another hash"),
        (replaced("d", (1,), chain("b", "c", "b")), "T5: 'b' is in a chain twice"),
    ]:
        with pytest.raises(AssertionError, match=sentence):
            map_.check_invariants()


def test_a_wrong_root_and_held_locks_are_named() -> None:
    def broken(sentence: str, break_: Callable[[Map], object]) -> None:
        map_ = with_keys("a")
        break_(map_)
        with pytest.raises(AssertionError, match=sentence):
            map_.check_invariants()

    broken("T1: the root has a parent", lambda map_: map_.root.store(Indirect(Indirect(None))))
    broken("inited", lambda map_: map_.root.store(None))
    broken("init_mu is held", lambda map_: map_.init_mu.lock())
    broken("the mu of a node is held", lambda map_: map_._load_root().mu.lock())


def test_what_must_stay_as_it_was_is_compared_with_before() -> None:
    map_ = with_keys("ad")
    check = map_.step_invariants()
    check()
    entry: Any = map_.root.peek().children[2].peek()  # type: ignore[union-attr]
    object.__setattr__(entry, "value", "another")
    with pytest.raises(AssertionError, match="T6: the entry of 'd' had 'value of d' and has 'another'"):
        check()


def test_a_node_may_be_dead_while_it_is_removed_and_never_again_alive() -> None:
    map_ = with_keys("ab")
    check = map_.step_invariants()
    root: Any = map_.root.peek()
    node = root.children[1].peek()
    for mutex in (root.mu, node.mu):
        mutex.lock()
    for child in node.children:
        child.store(None)
    node.dead.store(True)
    check()
    node.dead.store(False)
    with pytest.raises(AssertionError, match="T7: a dead node is alive again"):
        check()
    node.dead.store(True)
    node.mu.unlock()
    with pytest.raises(AssertionError, match="T2"):
        check()


# -- every interleaving with few preemptions


@pytest.mark.parametrize("exploration", EXPLORATIONS, ids=lambda exploration: exploration.name)
def test_no_schedule_of_a_scenario_goes_wrong_at_any_step(exploration: Exhaustion) -> None:
    result = exploration.run()
    assert result.verdict == "EXHAUSTED", result.evidence()


# -- real threads


@every_hash
@pytest.mark.parametrize("seed", [1, 2])
def test_a_history_of_real_threads_is_linearizable(hash_of: Hash, seed: int) -> None:
    make = partial(TrieMap[Any, Any], hash_of)
    history = record(make, adapter_for(make()), clients=4, operations=400, keys=6, seed=seed)
    assert all(operation.error is None for operation in history.operations)
    assert isinstance(check(history), Linearizable)


@every_hash
def test_a_swap_and_a_delete_of_one_value_never_both_succeed(hash_of: Hash, run_threads: Run) -> None:
    """Go's TestConcurrentCache, for issue 70970."""
    map_: Map = TrieMap(hash_of)
    won: list[int] = []
    for key in range(60):
        map_.store(key, "old")

    def swap() -> None:
        won.extend([key for key in range(60) if map_.compare_and_swap(key, "old", "new")])

    def delete() -> None:
        won.extend([key for key in range(60) if map_.compare_and_delete(key, "old")])

    run_threads(swap, delete, swap, delete)
    assert sorted(won) == list(range(60))
    map_.check_invariants()


@every_hash
def test_range_sees_every_key_once_while_values_change(hash_of: Hash, run_threads: Run) -> None:
    """Go's TestConcurrentRange, beside keys that come and go."""
    map_: Map = TrieMap(hash_of)
    keys = range(1, 25)
    for key in keys:
        map_.store(key, key)

    def write() -> None:
        for number in range(15):
            for key in keys:
                map_.store(key, key * number)
                map_.store(-key, -key)
                map_.delete(-key)

    def read() -> None:
        for _ in range(15):
            seen = map_.range()
            assert len({key for key, _ in seen}) == len(seen)
            assert sorted(key for key, _ in seen if key > 0) == list(keys)
            assert all(value % key == 0 for key, value in seen)

    run_threads(write, read, write, read)
    map_.check_invariants()
    assert sorted(map_.range()) == [(key, key * 14) for key in keys]


@every_hash
def test_concurrent_clears_leave_a_sound_map(hash_of: Hash, run_threads: Run) -> None:
    """Go's TestConcurrentClear."""
    map_: Map = TrieMap(hash_of)

    def write() -> None:
        for number in range(400):
            map_.store(number % 11, number)
            map_.load_and_delete(number % 7)

    def clear() -> None:
        for _ in range(100):
            map_.clear()

    run_threads(write, write, clear, clear)
    map_.check_invariants()
    map_.clear()
    assert map_.range() == []
