"""sync.Map with one line of the algorithm wrong, again and again.

The idea: each mutant is the one or few steps in which its line stands, written again without it; those steps are
in `mutants_of_lookup.py` and `mutants_of_entries.py`. Which statement refuses each, what it amounts to, and how
little of the system shows that, stands here. The first three are those that a reviewer should ask about first.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant, Statement
from mapproof.proofs.systems.sync_map import SYNC_MAP, mutants_of_entries, mutants_of_lookup
from mapproof.proofs.systems.sync_map.clear import CLEARS_NOTHING
from mapproof.proofs.systems.sync_map.consequences import expunged_under_lock, published_never_written
from mapproof.proofs.systems.sync_map.invariant import (
    amended_has_dirty,
    contents,
    dirty_not_expunged,
    dirty_private,
    expunged_iff_not_in_dirty,
    live_keys_in_dirty,
    map_entries_allocated,
    misses_below_length,
    promotion_loses_no_key,
    unamended_is_empty,
)
from mapproof.proofs.systems.sync_map.thread_invariant import (
    absent_seen,
    answer_ready,
    held_cleared,
    held_current,
    held_expunged,
    loaded_locals,
    lock_owner,
    operation_at_its_place,
    range_locals,
    store_locals,
)
from mapproof.proofs.transition_system import Action


def _part(
    calls: int, *, threads: int = 1, keys: int = 1, values: int = 1, entries: int = 2, pointers: int = 3
) -> Bound:
    """So many calls in one run, over so few elements."""
    elements = {
        "Thread": threads,
        "Key": keys,
        "Value": values,
        "Pointer": pointers,
        "Entry": entries,
        "EntryMap": 4,
    }
    return Bound(elements, {"invoke": calls})


def _mutant(
    name: str, *replaced: Action, breaks: Statement | None, fault: Fault = Fault.WRONG_ANSWER, bound: Bound
) -> Mutant:
    return Mutant(name, SYNC_MAP, replaced, breaks, fault, bound)


_ELSEWHERE = (
    *("clear_nothing", "clear_recheck", "clear_recheck_empty", "range_recheck_clean", "recheck_hit"),
    *("try_load_or_store_load", "try_load_or_store_loaded", "try_compare_and_swap_load"),
    *("try_compare_and_swap_differs", "compare_and_swap_not_in_dirty", "delete_load", "delete_not_in_dirty"),
    *("delete_emptied_from_dirty", "recheck_clean", "miss_locked_stay", "try_swap_retry", "store_in_dirty"),
    *("compare_and_delete_retry", "compare_and_delete_differs", "swap_locked"),
)
"""Steps that the longest runs can do without."""


def _long(**at_most: int) -> Bound:
    """Five calls by two threads on two keys, about a million states: only few steps may happen there, and seldom."""
    narrow = dict.fromkeys(_ELSEWHERE, 0) | {"get_from_dirty": 1, "dirty_locked": 2} | at_most
    return Bound(_part(5, threads=2, keys=2).elements, {"invoke": 5} | narrow)


BOUND = _part(4)
_lookup, _entry = mutants_of_lookup, mutants_of_entries

LOAD_DOES_NOT_RECHECK = _mutant(
    "load does not look at read again under the lock",
    *_lookup.LOAD_DOES_NOT_RECHECK,
    breaks=absent_seen,
    bound=_part(3, threads=2),
)
PROMOTION_KEEPS_DIRTY = _mutant(
    "promotion keeps dirty",
    _entry.promotion_keeps_dirty,
    breaks=dirty_private,
    fault=Fault.BROKEN_STATE,
    bound=_part(2),
)
UNEXPUNGE_WITHOUT_INSERT = _mutant(
    "unexpunge does not insert into dirty",
    _entry.unexpunge_without_insert,
    breaks=live_keys_in_dirty,
    bound=_part(5, keys=2),
)

MUTANTS = (
    LOAD_DOES_NOT_RECHECK,
    PROMOTION_KEEPS_DIRTY,
    UNEXPUNGE_WITHOUT_INSERT,
    _mutant(
        "delete does not look at read again under the lock",
        *_lookup.DELETE_DOES_NOT_RECHECK,
        breaks=contents,
        bound=_long(
            delete_from_dirty=1,
            promote_read=1,
            range_recheck_amended=0,
            insert_new=2,
            lookup_hit=1,
            lookup_miss=4,
            entry_load=2,
            dirty_copy=1,
            dirty_copy_deleted=0,
            try_swap_load=0,
            compare_and_delete_load=0,
        ),
    ),
    _mutant(
        "compare-and-swap does not look at read again under the lock",
        *_lookup.COMPARE_AND_SWAP_DOES_NOT_RECHECK,
        breaks=answer_ready,
        bound=_part(3, threads=2),
    ),
    _mutant(
        "a lookup that misses does not ask whether read is amended",
        _lookup.amended_not_asked,
        breaks=answer_ready,
        bound=_part(2),
    ),
    _mutant(
        "a store takes no lock", _lookup.store_without_lock, breaks=lock_owner, bound=_part(2, threads=2)
    ),
    _mutant(
        "a swap under the lock does not unexpunge",
        _lookup.store_without_unexpunge,
        breaks=store_locals,
        bound=_part(4, keys=2),
    ),
    _mutant(
        "load-or-store under the lock does not unexpunge",
        _lookup.load_or_store_without_unexpunge,
        breaks=store_locals,
        fault=Fault.BROKEN_STATE,
        bound=_part(4, keys=2),
    ),
    _mutant(
        "load-or-store does not look in dirty",
        _lookup.store_in_dirty_as_new,
        breaks=store_locals,
        bound=_part(2),
    ),
    _mutant(
        "compare-and-swap does not look in dirty",
        _lookup.compare_and_swap_skips_dirty,
        breaks=answer_ready,
        bound=_part(2),
    ),
    _mutant(
        "swap unlocks before it writes what dirty has",
        _lookup.swap_unlocks_first,
        breaks=operation_at_its_place,
        bound=_part(3, threads=2),
    ),
    _mutant(
        "delete leaves the key in dirty",
        _lookup.delete_keeps_dirty,
        breaks=map_entries_allocated,
        bound=_part(4),
    ),
    _mutant(
        "compare-and-delete takes the key out of dirty",
        _lookup.compare_and_delete_unlinks,
        breaks=held_current,
        bound=_part(3, values=2),
    ),
    _mutant("range does not promote", _lookup.range_does_not_promote, breaks=absent_seen, bound=_part(2)),
    _mutant(
        "range promotes, and keeps dirty",
        _lookup.range_keeps_dirty,
        breaks=dirty_private,
        fault=Fault.BROKEN_STATE,
        bound=_part(2),
    ),
    _mutant(
        "range goes over the read map of before",
        _lookup.range_goes_over_the_old_map,
        breaks=range_locals,
        bound=_part(2),
    ),
    _mutant(
        "range promotes without looking again",
        _lookup.range_promotes_unamended,
        breaks=amended_has_dirty,
        bound=_part(3, threads=2),
    ),
    _mutant("clear leaves dirty", _lookup.clear_leaves_dirty, breaks=unamended_is_empty, bound=_part(4)),
    _mutant(
        "clear forgets misses",
        _lookup.clear_forgets_misses,
        breaks=misses_below_length,
        fault=Fault.PERFORMANCE,
        bound=_part(4, keys=2),
    ),
    _mutant(
        "clear of an empty read forgets dirty",
        _lookup.clear_forgets_dirty,
        breaks=CLEARS_NOTHING,
        bound=_part(2),
    ),
    _mutant(
        "clear marks the empty read amended",
        _lookup.clear_stores_amended,
        breaks=amended_has_dirty,
        bound=_part(4),
    ),
    _mutant(
        "clear empties the published map in place",
        _lookup.clear_empties_read_in_place,
        breaks=published_never_written,
        fault=Fault.BROKEN_STATE,
        bound=_part(3),
    ),
    _mutant("clear keeps read", _lookup.clear_keeps_read, breaks=contents, bound=_part(4)),
    _mutant("clear takes no lock", _lookup.clear_without_lock, breaks=lock_owner, bound=_part(3, threads=2)),
    _mutant(
        "swap stores without comparing",
        _entry.swap_blind,
        breaks=promotion_loses_no_key,
        bound=_part(3, threads=2),
    ),
    _mutant(
        "swap ignores expunged", _entry.swap_ignores_expunged, breaks=loaded_locals, bound=_part(4, keys=2)
    ),
    _mutant(
        "swap under the lock forgets what it replaced",
        _entry.swap_locked_answers_nothing,
        breaks=answer_ready,
        bound=_part(2),
    ),
    _mutant(
        "load-or-store stores without comparing",
        _entry.load_or_store_blind,
        breaks=held_current,
        bound=_part(4, threads=2),
    ),
    _mutant(
        "load-or-store stores over a value",
        _entry.load_or_store_stores_over,
        breaks=answer_ready,
        bound=_part(2),
    ),
    _mutant(
        "load-or-store ignores expunged",
        _entry.load_or_store_ignores_expunged,
        breaks=held_cleared,
        bound=_part(5, keys=2),
    ),
    _mutant(
        "load-or-store calls what it stored loaded",
        _entry.load_or_store_says_loaded,
        breaks=answer_ready,
        bound=_part(3),
    ),
    _mutant(
        "compare-and-swap ignores the old value",
        _entry.compare_and_swap_ignores_old,
        breaks=loaded_locals,
        bound=_part(2, values=2),
    ),
    _mutant(
        "compare-and-swap stores without comparing again",
        _entry.compare_and_swap_blind,
        breaks=held_cleared,
        bound=_part(3, threads=2),
    ),
    _mutant(
        "compare-and-swap gives up on another address of the value",
        _entry.compare_and_swap_gives_up,
        breaks=answer_ready,
        bound=_part(4, threads=2, pointers=4),
    ),
    _mutant(
        "compare-and-delete ignores the old value",
        _entry.compare_and_delete_ignores_old,
        breaks=loaded_locals,
        bound=_part(2, values=2),
    ),
    _mutant(
        "compare-and-delete empties without comparing again",
        _entry.compare_and_delete_blind,
        breaks=expunged_under_lock,
        bound=_part(3, threads=2),
    ),
    _mutant(
        "compare-and-delete expunges",
        _entry.compare_and_delete_expunges,
        breaks=dirty_not_expunged,
        fault=Fault.BROKEN_STATE,
        bound=_part(4),
    ),
    _mutant(
        "delete empties without comparing",
        _entry.delete_blind,
        breaks=answer_ready,
        bound=_part(3, threads=2),
    ),
    _mutant(
        "delete ignores expunged",
        _entry.delete_ignores_expunged,
        breaks=loaded_locals,
        bound=_part(4, keys=2),
    ),
    _mutant(
        "delete answers and leaves the value",
        _entry.delete_answers_at_load,
        breaks=answer_ready,
        bound=_part(3),
    ),
    _mutant(
        "the copy to dirty does not expunge",
        _entry.copy_does_not_expunge,
        breaks=expunged_iff_not_in_dirty,
        bound=_part(5, keys=2),
    ),
    _mutant(
        "the copy to dirty expunges without comparing",
        _entry.expunge_blind,
        breaks=held_expunged,
        bound=_long(
            delete_from_dirty=0,
            promote_read=1,
            range_recheck_amended=0,
            insert_new=1,
            lookup_hit=2,
            lookup_miss=3,
            entry_load=1,
            dirty_copy=0,
            try_swap_load=1,
            answer=4,
        ),
    ),
    _mutant(
        "the copy to dirty leaves out what it could not expunge",
        _entry.expunge_not_retried,
        breaks=live_keys_in_dirty,
        bound=_long(
            delete_from_dirty=0,
            promote_read=2,
            range_recheck_amended=1,
            insert_new=2,
            lookup_hit=2,
            lookup_miss=4,
            entry_load=0,
            dirty_copy=0,
            try_swap_load=1,
            try_expunge_locked=0,
            lock=4,
        ),
    ),
    _mutant(
        "the copy to dirty stops early",
        _entry.copy_stops_early,
        breaks=live_keys_in_dirty,
        bound=_part(4, keys=2),
    ),
    _mutant(
        "the copy to dirty takes nil entries too",
        _entry.copy_takes_nil_too,
        breaks=None,
        fault=Fault.EQUIVALENT,
        bound=_part(5, keys=2),
    ),
    _mutant(
        "dirtyLocked makes dirty anew after a clear",
        _entry.dirty_made_anew,
        breaks=None,
        fault=Fault.EQUIVALENT,
        bound=_part(4),
    ),
    _mutant(
        "read is amended before the copy",
        _entry.amends_before_the_copy,
        breaks=amended_has_dirty,
        fault=Fault.BROKEN_STATE,
        bound=_part(4, keys=2),
    ),
    _mutant(
        "dirtyLocked leaves read unamended", _entry.amended_not_set, breaks=amended_has_dirty, bound=_part(2)
    ),
    _mutant(
        "a new key is inserted before read is amended",
        *_entry.INSERTS_BEFORE_AMEND,
        breaks=unamended_is_empty,
        bound=_part(2, threads=2),
    ),
    _mutant(
        "promotion leaves read amended",
        _entry.promotion_stays_amended,
        breaks=amended_has_dirty,
        bound=_part(3, keys=2),
    ),
    _mutant(
        "promotion forgets misses",
        _entry.promotion_keeps_misses,
        breaks=misses_below_length,
        fault=Fault.PERFORMANCE,
        bound=_part(2),
    ),
    _mutant(
        "promotion comes one miss late",
        *_entry.PROMOTION_LATE,
        breaks=misses_below_length,
        fault=Fault.PERFORMANCE,
        bound=_part(2),
    ),
)
"""All of them; the first three first."""

CHAPTER = Chapter(SYNC_MAP, MUTANTS, (BOUND, _part(4, keys=2), _part(3, threads=2)))
