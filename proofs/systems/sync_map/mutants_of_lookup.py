"""sync.Map with one line wrong where it finds its entry, Range and Clear included. See `mutants.py`."""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.clear import find_it_empty
from mapproof.proofs.systems.sync_map.lookup import detach, not_in_read
from mapproof.proofs.systems.sync_map.parts import (
    ANSWERED_AFTER_UNLOCK,
    AT_MOST_ONCE,
    does,
    is_empty,
    is_value,
    place_for,
    take_effect,
)
from mapproof.proofs.systems.sync_map.state import PC, Entry, EntryMap, Key, Op, Thread, m, nil
from mapproof.proofs.terms import Bool, If, all_of, any_of, claim, everywhere, forall, when
from mapproof.proofs.transition_system import Action, action

# ------------------------------------------------------------------------------------------------ the second look


def _not_rechecking(op: Op) -> Action:
    """The second lookup in read.m finds nothing for this operation."""

    @action(name="recheck_hit")
    def recheck_hit(t: Thread) -> None:
        """read.m is not looked at a second time"""
        when(t.pc == PC.RECHECK, ~does(t, op, Op.RANGE, Op.CLEAR), m.read.has[t.key])
        t.entry = m.read.entry[t.key]
        t.found = does(t, *ANSWERED_AFTER_UNLOCK)
        t.pc = place_for(
            t,
            (Op.SWAP, PC.UNEXPUNGE),
            (Op.LOAD_OR_STORE, PC.UNEXPUNGE),
            (Op.COMPARE_AND_SWAP, PC.TRY_COMPARE_AND_SWAP_LOAD),
            otherwise=PC.UNLOCK,
        )

    return recheck_hit


def _looks_no_more(t: Thread, op: Op) -> Bool:
    """At the second look, and read.m does not have the key, or the operation does not ask."""
    return all_of(t.pc == PC.RECHECK, any_of(does(t, op), ~m.read.has[t.key]))


@action(name="recheck_clean")
def _load_unchecked_clean(t: Thread) -> None:
    """!read.amended"""
    when(_looks_no_more(t, Op.LOAD), does(t, *ANSWERED_AFTER_UNLOCK), ~m.amended)
    t.pc = PC.UNLOCK


@action(name="get_from_dirty")
def _load_unchecked_from_dirty(t: Thread) -> None:
    """e, ok = m.dirty[key]"""
    when(_looks_no_more(t, Op.LOAD), does(t, Op.LOAD, Op.COMPARE_AND_DELETE), m.amended)
    t.found = m.dirty.has[t.key]
    t.entry = If(m.dirty.has[t.key], m.dirty.entry[t.key], t.entry)
    t.pc = PC.MISS_LOCKED


LOAD_DOES_NOT_RECHECK = (_not_rechecking(Op.LOAD), _load_unchecked_clean, _load_unchecked_from_dirty)


@action(name="delete_from_dirty")
def _delete_unchecked(t: Thread) -> None:
    """e, ok = m.dirty[key]; ok; delete(m.dirty, key), though read.m may have it too"""
    e = m.dirty.entry[t.key]
    when(_looks_no_more(t, Op.LOAD_AND_DELETE), does(t, Op.LOAD_AND_DELETE), m.amended)
    when(m.dirty.has[t.key], is_value(e.p))
    take_effect(t, nil)
    detach(t)


DELETE_DOES_NOT_RECHECK = (_not_rechecking(Op.LOAD_AND_DELETE), _delete_unchecked)


@action(name="compare_and_swap_not_in_dirty")
def _compare_and_swap_unchecked(t: Thread) -> None:
    """e, ok := m.dirty[key]; !ok, though read.m may have it"""
    when(_looks_no_more(t, Op.COMPARE_AND_SWAP), does(t, Op.COMPARE_AND_SWAP), ~m.dirty.has[t.key])
    t.pc = PC.UNLOCK


COMPARE_AND_SWAP_DOES_NOT_RECHECK = (_not_rechecking(Op.COMPARE_AND_SWAP), _compare_and_swap_unchecked)


@action(name="recheck_hit")
def store_without_unexpunge(t: Thread) -> None:
    """a Swap writes the entry of read.m as it is"""
    when(t.pc == PC.RECHECK, ~does(t, Op.RANGE, Op.CLEAR), m.read.has[t.key])
    t.entry = m.read.entry[t.key]
    t.found = does(t, *ANSWERED_AFTER_UNLOCK)
    t.pc = place_for(
        t,
        (Op.SWAP, PC.SWAP_LOCKED),
        (Op.LOAD_OR_STORE, PC.UNEXPUNGE),
        (Op.COMPARE_AND_SWAP, PC.TRY_COMPARE_AND_SWAP_LOAD),
        otherwise=PC.UNLOCK,
    )


@action(name="recheck_hit")
def load_or_store_without_unexpunge(t: Thread) -> None:
    """a LoadOrStore takes the entry of read.m as it is"""
    when(t.pc == PC.RECHECK, ~does(t, Op.RANGE, Op.CLEAR), m.read.has[t.key])
    t.entry = m.read.entry[t.key]
    t.found = does(t, *ANSWERED_AFTER_UNLOCK)
    t.pc = place_for(
        t,
        (Op.SWAP, PC.UNEXPUNGE),
        (Op.LOAD_OR_STORE, PC.TRY_LOAD_OR_STORE_LOAD),
        (Op.COMPARE_AND_SWAP, PC.TRY_COMPARE_AND_SWAP_LOAD),
        otherwise=PC.UNLOCK,
    )


# ------------------------------------------------------------------------------------------------ lookups


@action(name="lookup_miss")
def amended_not_asked(t: Thread) -> None:
    """what read.m does not have is absent, for all but the stores"""
    when(t.pc == PC.LOOKUP, ~t.read.has[t.key])
    t.pc = If(does(t, Op.SWAP, Op.LOAD_OR_STORE), PC.LOCK, PC.RETURN)


@action(name="lock")
def store_without_lock(t: Thread) -> None:
    """a Swap does without m.mu.Lock()"""
    when(t.pc == PC.LOCK, any_of(does(t, Op.SWAP), ~m.mu_held))
    m.mu_held = any_of(m.mu_held, ~does(t, Op.SWAP))
    m.mu_owner = If(does(t, Op.SWAP), m.mu_owner, t)
    t.pc = PC.RECHECK


@action(name="delete_from_dirty")
def delete_keeps_dirty(t: Thread) -> None:
    """LoadAndDelete: e, ok = m.dirty[key]; ok; delete(m.dirty, key) is missing"""
    e = m.dirty.entry[t.key]
    when(not_in_read(t), does(t, Op.LOAD_AND_DELETE), m.amended, m.dirty.has[t.key], is_value(e.p))
    take_effect(t, nil)
    t.entry = e
    t.found = True
    e.detached = True
    t.pc = PC.MISS_LOCKED


@action(name="get_from_dirty")
def compare_and_delete_unlinks(t: Thread) -> None:
    """CompareAndDelete takes the key out of dirty before it compares, as LoadAndDelete does"""
    compares = does(t, Op.COMPARE_AND_DELETE)
    when(not_in_read(t), does(t, Op.LOAD, Op.COMPARE_AND_DELETE), m.amended)
    t.found = m.dirty.has[t.key]
    t.entry = If(m.dirty.has[t.key], m.dirty.entry[t.key], t.entry)
    m.dirty.length = If(all_of(compares, m.dirty.has[t.key]), m.dirty.length - 1, m.dirty.length)
    m.dirty.has[t.key] = all_of(~compares, m.dirty.has[t.key])
    t.pc = PC.MISS_LOCKED


@action(name="store_in_dirty")
def compare_and_swap_skips_dirty(t: Thread) -> None:
    """CompareAndSwap does not look in dirty"""
    when(not_in_read(t), does(t, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP), m.dirty.has[t.key])
    compares = does(t, Op.COMPARE_AND_SWAP)
    t.entry = If(compares, t.entry, m.dirty.entry[t.key])
    t.in_dirty = ~compares
    t.pc = place_for(
        t,
        (Op.SWAP, PC.SWAP_LOCKED),
        (Op.LOAD_OR_STORE, PC.TRY_LOAD_OR_STORE_LOAD),
        otherwise=PC.UNLOCK,
    )


@action(name="store_in_dirty")
def store_in_dirty_as_new(t: Thread) -> None:
    """LoadOrStore does not look in dirty, and adds a key that is there"""
    when(not_in_read(t), does(t, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP), m.dirty.has[t.key])
    t.entry = m.dirty.entry[t.key]
    t.in_dirty = ~does(t, Op.LOAD_OR_STORE)
    t.pc = place_for(
        t,
        (Op.SWAP, PC.SWAP_LOCKED),
        (Op.LOAD_OR_STORE, PC.INSERT_NEW),
        otherwise=PC.TRY_COMPARE_AND_SWAP_LOAD,
    )


@action(name="store_in_dirty")
def swap_unlocks_first(t: Thread) -> None:
    """a Swap that found its entry in dirty unlocks before it writes it"""
    when(not_in_read(t), does(t, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP), m.dirty.has[t.key])
    t.entry = m.dirty.entry[t.key]
    t.found = does(t, Op.SWAP)
    t.in_dirty = ~does(t, Op.SWAP)
    t.pc = place_for(
        t,
        (Op.SWAP, PC.UNLOCK),
        (Op.LOAD_OR_STORE, PC.TRY_LOAD_OR_STORE_LOAD),
        otherwise=PC.TRY_COMPARE_AND_SWAP_LOAD,
    )


# ------------------------------------------------------------------------------------------------ Range


@action(name="read")
def range_does_not_promote(t: Thread) -> None:
    """Range goes over read.m, amended or not"""
    when(t.pc == PC.READ, any_of(~does(t, Op.CLEAR), ~is_empty()))
    t.read = m.read
    t.amended = all_of(~does(t, Op.RANGE), m.amended)
    t.pc = If(does(t, Op.CLEAR), PC.LOCK, PC.LOOKUP)


@action(name="promote_read")
def range_keeps_dirty(t: Thread) -> None:
    """Range publishes dirty, and neither drops it nor sets misses to 0"""
    when(t.pc == PC.PROMOTE_READ)
    ranging = does(t, Op.RANGE)
    m.read = m.dirty
    m.amended = False
    m.dirty.published = True
    t.read = If(ranging, m.dirty, t.read)
    t.amended = all_of(~ranging, t.amended)
    t.pc = If(ranging, PC.UNLOCK, PC.PROMOTE_DIRTY)


@action(name="promote_read")
def range_goes_over_the_old_map(t: Thread) -> None:
    """Range promotes dirty, and goes over the read map that it loaded before"""
    when(t.pc == PC.PROMOTE_READ)
    m.read = m.dirty
    m.amended = False
    m.dirty.published = True
    t.amended = all_of(~does(t, Op.RANGE), t.amended)
    t.pc = PC.PROMOTE_DIRTY


@action(name="range_recheck_amended")
def range_promotes_unamended(t: Thread) -> None:
    """Range promotes dirty without asking again whether read is amended"""
    when(t.pc == PC.RECHECK, does(t, Op.RANGE))
    t.pc = PC.PROMOTE_READ


# ------------------------------------------------------------------------------------------------ Clear


@action(name="clear_dirty")
def clear_leaves_dirty(t: Thread) -> None:
    """clear(m.dirty) is missing"""
    when(t.pc == PC.CLEAR_DIRTY)
    t.pc = PC.CLEAR_MISSES


@action(name="clear_misses")
def clear_forgets_misses(t: Thread) -> None:
    """m.misses = 0 is missing"""
    when(t.pc == PC.CLEAR_MISSES)
    t.pc = PC.UNLOCK


@action(name="clear_nothing")
def clear_forgets_dirty(t: Thread) -> None:
    """len(read.m) == 0, and read.amended is not asked"""
    when(t.pc == PC.READ, does(t, Op.CLEAR), forall(Key, lambda k: ~m.read.has[k]))
    find_it_empty(t)
    t.pc = PC.RETURN


def _cut_off(t: Thread) -> None:
    """What a Clear does to the abstract map, and to the operations under way."""
    claim(AT_MOST_ONCE, ~t.done)
    everywhere(Key.contents, lambda k: nil)
    everywhere(Thread.seen, lambda u, x: any_of(u.seen[x], x == nil))
    everywhere(
        Thread.overlaps,
        lambda u, e: any_of(u.overlaps[e], all_of(u.pc != PC.IDLE, e.allocated, ~e.detached, ~e.cleared)),
    )
    everywhere(Entry.cleared, lambda e: any_of(e.cleared, all_of(e.allocated, ~e.detached)))
    t.done = True
    t.pc = PC.CLEAR_DIRTY


def _publish_empty(new: EntryMap) -> None:
    m.read = new
    new.allocated = True
    new.published = True
    new.length = 0
    everywhere(EntryMap.has, lambda table, k: all_of(table != new, table.has[k]))


@action(name="clear_read")
def clear_stores_amended(t: Thread, new: EntryMap) -> None:
    """m.read.Store(&readOnly{amended: true})"""
    when(t.pc == PC.CLEAR_READ, ~new.allocated)
    _publish_empty(new)
    m.amended = True
    _cut_off(t)


@action(name="clear_read")
def clear_empties_read_in_place(t: Thread) -> None:
    """clear(read.m) in place of a new read"""
    when(t.pc == PC.CLEAR_READ)
    everywhere(EntryMap.has, lambda table, k: all_of(table != m.read, table.has[k]))
    m.amended = False
    _cut_off(t)


@action(name="clear_read")
def clear_keeps_read(t: Thread) -> None:
    """m.read.Store(&readOnly{}) is missing: dirty alone is cleared"""
    when(t.pc == PC.CLEAR_READ)
    _cut_off(t)


@action(name="lock")
def clear_without_lock(t: Thread) -> None:
    """Clear does without m.mu.Lock()"""
    when(t.pc == PC.LOCK, any_of(does(t, Op.CLEAR), ~m.mu_held))
    m.mu_held = any_of(m.mu_held, ~does(t, Op.CLEAR))
    m.mu_owner = If(does(t, Op.CLEAR), m.mu_owner, t)
    t.pc = PC.RECHECK
