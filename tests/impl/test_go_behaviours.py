"""What the tests of Go's maps and locks assert, held of ours: a table of where each is, and those that are here.

Each check is a function of a map's class, in go_behaviours.py and reference_maps.py; at the end, classes that are wrong must fail theirs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import go_behaviours as go
import pytest
from go_behaviours import CHANGES, MAPS, Change, Check, Make, Run
from reference_maps import DeepCopyMap, matches

from mapproof.impl.plain_map import PlainMap
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync import FatalError, RWMutex
from mapproof.impl.sync_map import SyncMap

WHERE: Final[Mapping[str, str]] = {
    # src/sync/map_test.go
    "TestMapMatchesRWMutex": "test_go_behaviours::test_matches_a_reference ../go/test_against_go::"
    "test_ten_thousand_sequences_are_answered_as_by_sync_map",
    "TestMapMatchesDeepCopy": "test_go_behaviours::test_matches_a_reference",
    "TestMapMatchesHashTrieMap": "test_go_behaviours::test_matches_a_reference",
    "TestConcurrentRange": "test_go_behaviours::test_of_every_map test_real_threads::test_under_real_threads",
    "TestIssue40999": "test_go_behaviours::test_of_every_map test_trie_map::test_deleted_keys_can_be_collected "
    "test_sharded_map::test_deleted_keys_can_be_collected test_plain_map_rules::test_deleted_keys_can_be_collected",
    "TestMapRangeNestedCall": "test_go_behaviours::test_of_every_map "
    "test_sharded_map::test_the_callback_of_range_may_use_the_map_and_stop",
    "TestCompareAndSwap_NonExistingKey": "test_go_behaviours::test_of_every_map",
    "TestConcurrentClear": "test_real_threads::test_under_real_threads "
    "test_trie_map::test_concurrent_clears_leave_a_sound_map test_sharded_map::test_a_clear_meets_splits",
    "TestMapClearOneAllocation": "test_sync_map::test_clear_of_an_empty_map_publishes_nothing",
    # src/internal/sync/hashtriemap_test.go, each under three hashes
    "LoadEmpty": "test_go_behaviours::test_clear",
    "LoadOrStore": "test_go_behaviours::test_clear",
    "All": "test_go_behaviours::test_changes_in_sequence",
    "Clear/Simple": "test_go_behaviours::test_clear",
    "Clear/Concurrent": "test_go_behaviours::test_of_every_map",
    "{change}/All": "test_go_behaviours::test_changes_in_sequence",
    "{change}/One": "test_go_behaviours::test_changes_in_sequence",
    "{change}/Multiple": "test_go_behaviours::test_changes_in_sequence",
    "{change}/Iterate": "test_go_behaviours::test_changes_in_sequence",
    "{change}/ConcurrentUnsharedKeys": "test_go_behaviours::test_changes_at_once",
    "{change}/ConcurrentUnsharedKeysWithDelete": "test_go_behaviours::test_changes_at_once",
    "{change}/ConcurrentSharedKeys": "test_go_behaviours::test_changes_at_once",
    "TestConcurrentCache": "test_go_behaviours::test_of_every_map "
    "test_trie_map::test_a_swap_and_a_delete_of_one_value_never_both_succeed",
    # src/sync/rwmutex_test.go, mutex_test.go
    "TestParallelReaders": "test_sync::test_readers_hold_it_at_once",
    "TestRWMutex": "test_sync::test_rwmutex_hammer test_sync::test_rwmutex_try_forms",
    "TestRLocker": "test_go_behaviours::test_readers_and_writers_exclude_each_other_in_turns",
    "TestSemaphore": "test_sync::test_semaphore_admits_as_many_as_were_released",
    "TestMutex": "test_sync::test_mutex_excludes test_sync::test_mutex_try_lock",
    "TestMutexMisuse": "test_sync::test_misuse_is_fatal_in_gos_words ../go/test_against_go::"
    "test_go_dies_of_misuse_with_our_words",
    # src/runtime/map_test.go, src/internal/runtime/maps/map_test.go, for the built-in map
    "TestNegativeZero": "test_plain_map::test_nothing_wrong_is_found",
    "TestMapAssignmentNan": "test_plain_map::test_nothing_wrong_is_found",
    "TestGrowWithNaN": "test_plain_map::test_nothing_wrong_is_found",
    "TestGrowWithNegativeZero": "test_plain_map::test_nothing_wrong_is_found",
    "TestMapNanGrowIterator": "test_plain_map::test_nothing_wrong_is_found ../go/test_against_go::"
    "test_a_nan_that_was_cleared_may_still_come_in_the_maps_before_1_24",
    "TestIterGrowAndDelete": "test_plain_map::test_nothing_wrong_is_found ../go/test_against_go::"
    "test_ten_thousand_sequences_are_answered_as_by_the_built_in_map",
    "TestMapIterDuplicate": "test_plain_map::test_nothing_wrong_is_found",
    "TestMapIterDeleteReplace": "test_plain_map_rules::test_deleting_and_replacing_while_iterating_ends",
    "TestMapIterOrder": "test_plain_map_rules::"
    "test_the_order_of_iteration_is_random_but_repeats_with_its_seed",
    "TestConcurrentReadsAfterGrowth": "test_go_behaviours::test_reads_right_after_a_growth",
    "TestEmptyMapWithInterfaceKey": "test_plain_map_rules::test_an_unhashable_key_is_an_error_and_no_race",
    # xsync's map_test.go
    "DoesNotLoseEntriesOnResize": "test_sharded_map::test_no_private_key_is_lost_while_others_rehash",
    "ParallelResize": "test_go_behaviours::test_growth_under_load",
    "AtomicSnapshot": "test_go_behaviours::test_growth_under_load",
    "ParallelClear": "test_sharded_map::test_a_clear_meets_splits",
    "ParallelComputes": "test_go_behaviours::test_of_every_map",
}
"""The tests of the peers, and ours that assert the same, as file::function."""

WHY_NOT: Final[Mapping[str, str]] = {
    "TestMapRangeNoAllocations": "counts allocations of Go's; Python's are others",
    "TestMutexFairness": "a Mutex of ours is a lock of Python's, which promises no turns",
    "TestDeferDeleteSlow, TestIncrementAfterDelete...": "are about statements that Go compiles",
    "TestBigItems, TestMapHugeZero, TestMapLargeKeyNoPointer, ...": "are about the size of keys and values in memory",
    "TestIgnoreBogusMapHint": "a negative hint is refused here, as every wrong argument is",
    "TestTombstoneGrow, TestMapSplit": "PlainMap is the map before 1.24, which has neither tombstones nor tables",
    "ParallelShrinking": "no map of ours shrinks",
}
"""Those that no test of ours can assert."""


def test_the_table_points_to_tests_that_exist() -> None:
    folder = Path(__file__).parent
    assert not WHERE.keys() & WHY_NOT.keys()
    for name, places in WHERE.items():
        for place in places.split():
            file, function = place.split("::")
            assert f"\ndef {function}(" in (folder / f"{file}.py").read_text(), f"{name}: no {place}"


every_map = pytest.mark.parametrize("make", MAPS.values(), ids=MAPS)
every_change = pytest.mark.parametrize("change", CHANGES, ids=[change.name for change in CHANGES])

OF_EVERY_MAP: Final[list[Check]] = [
    go.concurrent_range,
    go.concurrent_cache,
    go.clear_beside_comparisons,
    go.compute_sums,
    go.range_nested,
    go.missing_key,
    go.issue_40999,
]


@every_map
@pytest.mark.parametrize("reference", [RWMutexMap, DeepCopyMap])
def test_matches_a_reference(make: Make, reference: Make) -> None:
    matches(make, reference)


@every_map
@pytest.mark.parametrize("check", OF_EVERY_MAP)
def test_of_every_map(check: Check, make: Make, run_threads: Run) -> None:
    check(make, run_threads)


@every_map
def test_clear(make: Make) -> None:
    go.clear_simple(make)


@every_map
@every_change
@pytest.mark.parametrize("check", [go.change_all, go.change_one, go.change_multiple, go.change_in_iteration])
def test_changes_in_sequence(check: Callable[[Make, Change], None], change: Change, make: Make) -> None:
    check(make, change)


@every_map
@every_change
@pytest.mark.parametrize("check", [go.change_unshared, go.change_shared])
def test_changes_at_once(
    check: Callable[[Make, Run, Change], None], change: Change, make: Make, run_threads: Run
) -> None:
    check(make, run_threads, change)


GROWTH: Final[dict[str, Check]] = {
    "ParallelResize, unique keys": partial(go.parallel_resize, shared=False),
    "ParallelResize, the same keys": partial(go.parallel_resize, shared=True),
    "AtomicSnapshot": go.atomic_snapshot,
}


@pytest.mark.parametrize("check", GROWTH.values(), ids=GROWTH)
def test_growth_under_load(check: Check, run_threads: Run) -> None:
    check(partial(ShardedMap, shards=1, capacity=2, max_shards=64, batch=1), run_threads)


def test_reads_right_after_a_growth(run_threads: Run) -> None:
    go.concurrent_reads_after_growth(PlainMap, run_threads)


def takes_turns(rwmutex: Any) -> list[str]:
    """TestRLocker: two readers may hold the lock at once, the writer waits for both, and the readers for it."""
    wrong, rounds = list[str](), 10
    read, written = threading.Semaphore(0), threading.Semaphore(0)

    def other() -> None:
        for _ in range(rounds):
            rwmutex.rlock()
            rwmutex.rlock()
            read.release()
            rwmutex.lock()
            written.release()

    threading.Thread(target=other, daemon=True).start()
    for _ in range(rounds):
        assert read.acquire(timeout=20)
        rwmutex.runlock()
        if written.acquire(timeout=0.002):
            wrong.append("a writer did not wait for the second reader")
            break
        rwmutex.runlock()
        assert written.acquire(timeout=20)
        if read.acquire(timeout=0.002):
            wrong.append("readers did not wait for the writer")
            break
        rwmutex.unlock()
    return wrong


def test_readers_and_writers_exclude_each_other_in_turns() -> None:
    assert takes_turns(RWMutex()) == []


# -- mutants


def pause() -> None:
    """Long enough for another thread to run."""
    time.sleep(1e-5)


class ChecksThenActs(RWMutexMap[Any, Any]):
    """Each compound operation lets others in between its check and its act."""

    def load_or_store(self, key: Any, value: Any) -> tuple[Any, bool]:
        found = self.load(key)
        pause()
        if found[1]:
            return found
        self.store(key, value)
        return value, False

    def load_and_delete(self, key: Any) -> tuple[Any, bool]:
        found = self.load(key)
        pause()
        self.delete(key)
        return found

    def swap(self, key: Any, value: Any) -> tuple[Any, bool]:
        found = self.load(key)
        pause()
        self.store(key, value)
        return found

    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool:
        matches = self.load(key) == (old, True)
        pause()
        if matches:
            self.store(key, new)
        return matches

    def compare_and_delete(self, key: Any, old: Any) -> bool:
        matches = self.load(key) == (old, True)
        pause()
        if matches:
            self.delete(key)
        return matches


class CopiesForEachChange(DeepCopyMap):
    """The map that is copied for each change, without its lock: it undoes what others did meanwhile."""

    def _changed(self, key: Any, change: Callable[[dict[Any, Any]], object]) -> tuple[Any, bool]:
        found, dirty = self.load(key), dict(self.clean.load())
        pause()
        change(dirty)
        self.clean.store(dirty)
        return found


class StoresInTwoSteps(RWMutexMap[Any, Any]):
    def store(self, key: Any, value: Any) -> None:
        self.delete(key)
        pause()
        super().store(key, value)


class RehashesWithoutTheLock(RWMutexMap[Any, Any]):
    def rehash(self) -> None:
        pairs = self.range()
        pause()
        self.clear()
        for key, value in pairs:
            self.store(key, value)


class MixesValuesUp(RehashesWithoutTheLock):
    """`load` remembers its key in the map, where the next thread overwrites it."""

    asked: Any = None

    def load(self, key: Any) -> tuple[Any, bool]:
        self.asked = key
        pause()
        return super().load(self.asked)


class MovesKeysWhenItReads(PlainMap[Any, Any]):
    def load(self, key: Any) -> tuple[Any, bool]:
        found = super().load(key)
        with self._hash_writing():
            pause()
        return found


CAUGHT: Final[list[tuple[Check, Make]]] = [
    (go.concurrent_range, StoresInTwoSteps),
    (go.concurrent_cache, ChecksThenActs),
    (go.clear_beside_comparisons, ChecksThenActs),
    (go.compute_sums, ChecksThenActs),
    *((partial(go.change_shared, change=change), ChecksThenActs) for change in CHANGES),
    *((partial(go.change_unshared, change=change), CopiesForEachChange) for change in CHANGES),
    (GROWTH["ParallelResize, unique keys"], RehashesWithoutTheLock),
    (GROWTH["ParallelResize, the same keys"], RehashesWithoutTheLock),
    (GROWTH["AtomicSnapshot"], MixesValuesUp),
    (go.concurrent_reads_after_growth, MovesKeysWhenItReads),
]


@pytest.mark.parametrize(("check", "mutant"), CAUGHT)
def test_each_concurrent_check_finds_a_mutant(check: Check, mutant: Make, run_threads: Run) -> None:
    with pytest.raises((AssertionError, FatalError)):
        for _ in range(50):  # one run finds it nearly always, but the schedule is not ours
            check(mutant, run_threads)


class ComparesNothing(SyncMap[Any, Any]):
    def compare_and_delete(self, key: Any, old: Any) -> bool:
        return self.load_and_delete(key)[1]


class KeepsWhatWasDeleted(SyncMap[Any, Any]):
    def delete(self, key: Any) -> None:
        self.compare_and_delete(key, self.load(key)[0])


class RangesOverCopiesThatItPutsBack(RWMutexMap[Any, Any]):
    def range(self, f: Any = None) -> Any:
        pairs = super().range()
        if f is None:
            return pairs
        for key, value in pairs:
            if f(key, value):
                self.store(key, value)
        return None


@pytest.mark.parametrize(
    ("check", "mutant"),
    [
        (lambda make, run: matches(make, DeepCopyMap), ComparesNothing),
        (go.issue_40999, KeepsWhatWasDeleted),
        (go.range_nested, RangesOverCopiesThatItPutsBack),
        *(
            (lambda make, run, c=c: go.change_in_iteration(make, c), RangesOverCopiesThatItPutsBack)
            for c in CHANGES
        ),
        (lambda make, run: go.change_all(make, CHANGES[0]), ComparesNothing),
    ],
)
def test_each_check_in_sequence_finds_a_mutant(check: Check, mutant: Make, run_threads: Run) -> None:
    with pytest.raises(AssertionError):
        check(mutant, run_threads)


class WakesTheWriterEarly(RWMutex):
    def runlock(self) -> None:
        if self._reader_wait.peek() > 1:
            self._reader_wait.store(1)
        super().runlock()


class AdmitsReadersBesideTheWriter(RWMutex):
    def rlock(self) -> None:
        self._reader_count.add(1)


@pytest.mark.parametrize(
    ("mutant", "wrong"),
    [
        (WakesTheWriterEarly, "a writer did not wait for the second reader"),
        (AdmitsReadersBesideTheWriter, "readers did not wait for the writer"),
    ],
)
def test_the_turns_find_a_lock_that_lets_both_in(mutant: Make, wrong: str) -> None:
    assert wrong in takes_turns(mutant())
