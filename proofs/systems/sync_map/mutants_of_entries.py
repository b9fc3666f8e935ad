"""sync.Map with one line wrong on an entry, in the copy to dirty, or in a promotion. See `mutants.py`."""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.dirty import misses_after
from mapproof.proofs.systems.sync_map.entries import leave, stored_locked_at
from mapproof.proofs.systems.sync_map.lookup import not_in_read
from mapproof.proofs.systems.sync_map.parts import (
    as_answer,
    does,
    insert,
    is_value,
    take_effect,
    take_effect_on_entry,
)
from mapproof.proofs.systems.sync_map.state import (
    PC,
    Entry,
    EntryMap,
    Key,
    Op,
    Thread,
    expunged,
    m,
    nil,
    nil_map,
)
from mapproof.proofs.terms import If, all_of, everywhere, when
from mapproof.proofs.transition_system import action

# ------------------------------------------------------------------------------------------------ Swap


@action(name="try_swap_cas")
def swap_blind(t: Thread) -> None:
    """e.p.Store(i) in place of e.p.CompareAndSwap(p, i)"""
    when(t.pc == PC.TRY_SWAP_CAS)
    t.result = t.loaded
    take_effect_on_entry(t, t.value)
    t.pc = PC.RETURN


@action(name="try_swap_load")
def swap_ignores_expunged(t: Thread) -> None:
    """p := e.p.Load(), and p == expunged is not asked"""
    when(t.pc == PC.TRY_SWAP_LOAD)
    t.loaded = t.entry.p
    t.pc = PC.TRY_SWAP_CAS


@action(name="swap_locked")
def swap_locked_answers_nothing(t: Thread) -> None:
    """e.p.Store(&value), and the caller is told that there was no value"""
    when(t.pc == PC.SWAP_LOCKED)
    take_effect_on_entry(t, t.value)
    t.pc = PC.UNLOCK


@action(name="unexpunge_locked")
def unexpunge_without_insert(t: Thread) -> None:
    """e.unexpungeLocked() succeeds, and m.dirty[key] = e is missing"""
    when(t.pc == PC.UNEXPUNGE, t.entry.p == expunged)
    t.entry.p = nil
    t.pc = stored_locked_at(t)


# ------------------------------------------------------------------------------------------------ LoadOrStore


@action(name="try_load_or_store_cas")
def load_or_store_blind(t: Thread) -> None:
    """e.p.Store(&i) in place of e.p.CompareAndSwap(nil, &i)"""
    when(t.pc == PC.TRY_LOAD_OR_STORE_CAS)
    take_effect_on_entry(t, t.value)
    t.pc = leave(t)


@action(name="try_load_or_store_loaded")
def load_or_store_stores_over(t: Thread) -> None:
    """a value is stored over, as if it were nil"""
    when(t.pc == PC.TRY_LOAD_OR_STORE_LOAD, is_value(t.entry.p))
    take_effect_on_entry(t, t.value)
    t.pc = leave(t)


@action(name="try_load_or_store_load")
def load_or_store_ignores_expunged(t: Thread) -> None:
    """p := e.p.Load(); expunged is replaced as nil is"""
    when(t.pc == PC.TRY_LOAD_OR_STORE_LOAD, ~is_value(t.entry.p))
    take_effect_on_entry(t, t.value)
    t.pc = leave(t)


@action(name="try_load_or_store_cas")
def load_or_store_says_loaded(t: Thread) -> None:
    """what was just stored is said to have been loaded"""
    when(t.pc == PC.TRY_LOAD_OR_STORE_CAS, t.entry.p == nil)
    t.ok = True
    t.result = t.value
    take_effect_on_entry(t, t.value)
    t.pc = leave(t)


# ------------------------------------------------------------------------------------------------ comparisons


@action(name="try_compare_and_swap_load")
def compare_and_swap_ignores_old(t: Thread) -> None:
    """p := e.p.Load(), and *p == old is not asked"""
    when(t.pc == PC.TRY_COMPARE_AND_SWAP_LOAD, is_value(t.entry.p))
    t.loaded = t.entry.p
    t.pc = PC.TRY_COMPARE_AND_SWAP_CAS


@action(name="try_compare_and_swap_cas")
def compare_and_swap_blind(t: Thread) -> None:
    """e.p.Store(&new) in place of e.p.CompareAndSwap(p, &new)"""
    when(t.pc == PC.TRY_COMPARE_AND_SWAP_CAS)
    t.ok = True
    take_effect_on_entry(t, t.value)
    t.pc = leave(t)


@action(name="try_compare_and_swap_retry")
def compare_and_swap_gives_up(t: Thread) -> None:
    """a failed compare-and-swap answers false, though another address of the same value may be there"""
    when(t.pc == PC.TRY_COMPARE_AND_SWAP_CAS, t.entry.p != t.loaded)
    t.result = as_answer(t.entry.p)
    t.pc = leave(t)


@action(name="compare_and_delete_load")
def compare_and_delete_ignores_old(t: Thread) -> None:
    """p := e.p.Load(), and *p == old is not asked"""
    when(t.pc == PC.COMPARE_AND_DELETE_LOAD, is_value(t.entry.p))
    t.loaded = t.entry.p
    t.pc = PC.COMPARE_AND_DELETE_CAS


@action(name="compare_and_delete_cas")
def compare_and_delete_blind(t: Thread) -> None:
    """e.p.Store(nil) in place of e.p.CompareAndSwap(p, nil)"""
    when(t.pc == PC.COMPARE_AND_DELETE_CAS)
    t.ok = True
    take_effect_on_entry(t, nil)
    t.pc = PC.RETURN


@action(name="compare_and_delete_cas")
def compare_and_delete_expunges(t: Thread) -> None:
    """e.p.CompareAndSwap(p, expunged)"""
    when(t.pc == PC.COMPARE_AND_DELETE_CAS, t.entry.p == t.loaded)
    t.ok = True
    take_effect_on_entry(t, nil)
    t.entry.p = expunged
    t.pc = PC.RETURN


# ------------------------------------------------------------------------------------------------ LoadAndDelete


@action(name="delete_cas")
def delete_blind(t: Thread) -> None:
    """e.p.Store(nil) in place of e.p.CompareAndSwap(p, nil)"""
    when(t.pc == PC.DELETE_CAS)
    t.result = t.loaded
    take_effect_on_entry(t, nil)
    t.pc = PC.RETURN


@action(name="delete_load")
def delete_ignores_expunged(t: Thread) -> None:
    """p := e.p.Load(); nil alone means absent"""
    when(t.pc == PC.DELETE_LOAD)
    t.loaded = t.entry.p
    t.pc = If(t.entry.p == nil, PC.RETURN, PC.DELETE_CAS)


@action(name="delete_load")
def delete_answers_at_load(t: Thread) -> None:
    """p := e.p.Load() is the answer, and nothing is deleted"""
    when(t.pc == PC.DELETE_LOAD)
    t.result = If(is_value(t.entry.p), t.entry.p, nil)
    t.pc = PC.RETURN


# ------------------------------------------------------------------------------------------------ a new key


@action(name="dirty_copy_deleted")
def copy_does_not_expunge(t: Thread, k: Key) -> None:
    """the copy skips a nil entry, and does not mark it expunged"""
    when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, m.read.entry[k].p == nil)
    k.copied = True


@action(name="try_expunge_locked")
def expunge_blind(t: Thread) -> None:
    """e.p.Store(expunged) in place of e.p.CompareAndSwap(nil, expunged)"""
    when(t.pc == PC.TRY_EXPUNGE)
    m.read.entry[t.copying].p = expunged
    t.copying.copied = True
    t.pc = PC.DIRTY_COPY


@action(name="try_expunge_retry")
def expunge_not_retried(t: Thread) -> None:
    """a failed compare-and-swap counts as expunged, and the key is not copied"""
    when(t.pc == PC.TRY_EXPUNGE, m.read.entry[t.copying].p != nil)
    t.copying.copied = True
    t.pc = PC.DIRTY_COPY


@action(name="dirty_copy_deleted")
def copy_takes_nil_too(t: Thread, k: Key) -> None:
    """a nil entry is carried over as a live one is"""
    when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, m.read.entry[k].p == nil)
    insert(m.dirty, k, m.read.entry[k])
    k.copied = True


@action(name="dirty_copy_done")
def copy_stops_early(t: Thread) -> None:
    """the loop over read.m may end before its last key"""
    when(t.pc == PC.DIRTY_COPY)
    t.pc = PC.AMEND


@action(name="dirty_locked_skip")
def dirty_made_anew(t: Thread, new: EntryMap) -> None:
    """dirtyLocked makes a new dirty map even if a Clear left one"""
    when(t.pc == PC.DIRTY_LOCKED, m.dirty != nil_map, ~new.allocated)
    m.dirty = new
    new.allocated = True
    new.length = 0
    everywhere(EntryMap.has, lambda table, k: all_of(table != new, table.has[k]))
    everywhere(Key.copied, lambda k: False)
    t.pc = PC.DIRTY_COPY


@action(name="dirty_locked")
def amends_before_the_copy(t: Thread, new: EntryMap) -> None:
    """read is marked amended before dirty is filled"""
    when(t.pc == PC.DIRTY_LOCKED, m.dirty == nil_map, ~new.allocated)
    m.dirty = new
    m.amended = True
    new.allocated = True
    new.length = 0
    everywhere(EntryMap.has, lambda table, k: all_of(table != new, table.has[k]))
    everywhere(Key.copied, lambda k: False)
    t.pc = PC.DIRTY_COPY


@action(name="amend")
def amended_not_set(t: Thread) -> None:
    """m.read.Store(&readOnly{m: read.m, amended: true}) is missing"""
    when(t.pc == PC.AMEND)
    t.pc = PC.INSERT_NEW


@action(name="store_new_key")
def _new_key(t: Thread) -> None:
    """in neither map: dirtyLocked first, which does nothing if there is a dirty map"""
    when(not_in_read(t), does(t, Op.SWAP, Op.LOAD_OR_STORE), ~m.dirty.has[t.key])
    t.pc = PC.DIRTY_LOCKED


@action(name="amend")
def _inserts_first(t: Thread, e: Entry) -> None:
    """m.dirty[key] = newEntry(value), and read may not yet be amended"""
    when(t.pc == PC.AMEND, ~e.allocated)
    take_effect(t, t.value)
    e.allocated = True
    e.detached = False
    e.cleared = False
    e.p = t.value
    everywhere(Entry.serves, lambda f, k: If(f == e, k == t.key, f.serves[k]))
    insert(m.dirty, t.key, e)
    t.pc = PC.INSERT_NEW


@action(name="insert_new")
def _amends_then(t: Thread) -> None:
    """m.read.Store(&readOnly{m: read.m, amended: true})"""
    when(t.pc == PC.INSERT_NEW)
    m.amended = True
    t.pc = PC.UNLOCK


# ------------------------------------------------------------------------------------------------ promotion


@action(name="promote_dirty")
def promotion_keeps_dirty(t: Thread) -> None:
    """m.dirty = nil is missing"""
    when(t.pc == PC.PROMOTE_DIRTY)
    t.pc = PC.PROMOTE_MISSES


@action(name="promote_read")
def promotion_stays_amended(t: Thread) -> None:
    """m.read.Store(&readOnly{m: m.dirty, amended: true})"""
    when(t.pc == PC.PROMOTE_READ)
    m.read = m.dirty
    m.dirty.published = True
    t.read = If(does(t, Op.RANGE), m.dirty, t.read)
    t.amended = all_of(~does(t, Op.RANGE), t.amended)
    t.pc = PC.PROMOTE_DIRTY


@action(name="promote_misses")
def promotion_keeps_misses(t: Thread) -> None:
    """m.misses = 0 is missing"""
    when(t.pc == PC.PROMOTE_MISSES)
    t.pc = PC.UNLOCK


@action(name="miss_locked_stay")
def _late_stay(t: Thread) -> None:
    """m.misses++; m.misses <= len(m.dirty)"""
    when(t.pc == PC.MISS_LOCKED, misses_after() <= m.dirty.length)
    m.misses = misses_after()
    t.pc = PC.UNLOCK


@action(name="miss_locked_promote")
def _late_promote(t: Thread) -> None:
    """m.misses++; m.misses > len(m.dirty)"""
    when(t.pc == PC.MISS_LOCKED, misses_after() > m.dirty.length)
    m.misses = misses_after()
    t.pc = PC.PROMOTE_READ


INSERTS_BEFORE_AMEND = (_new_key, _inserts_first, _amends_then)
PROMOTION_LATE = (_late_stay, _late_promote)
