"""The atomic steps of sync.Map's Store: trySwap, unexpunge, the copy of read to dirty, a new key.

The idea is that of `steps.py`. dirtyLocked copies one key a step, in any order, as Go's loop over
a map does, while other threads go on reading and writing the entries.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import (
    hit_in_read,
    insert,
    is_value,
    load_read_only,
    lock,
    store_takes_effect,
)
from mapproof.proofs.systems.sync_map.state import PC, Entry, EntryMap, Key, Thread, expunged, m, nil, nil_map
from mapproof.proofs.terms import If, all_of, everywhere, forall, implies, one_of, when
from mapproof.proofs.transition_system import action, actions_in


@action
def store_read(t: Thread) -> None:
    """read := m.loadReadOnly()"""
    load_read_only(t, at=PC.STORE_READ, then=PC.STORE_LOOKUP)


@action
def store_hit(t: Thread) -> None:
    """e, ok := read.m[key]; ok"""
    hit_in_read(t, at=PC.STORE_LOOKUP, then=PC.TRY_SWAP_LOAD)


@action
def store_miss(t: Thread) -> None:
    """e, ok := read.m[key]; !ok"""
    when(t.pc == PC.STORE_LOOKUP, ~t.read.has[t.key])
    t.pc = PC.STORE_LOCK


@action
def try_swap_load(t: Thread) -> None:
    """e.trySwap: p := e.p.Load(); expunged goes to the lock"""
    when(t.pc == PC.TRY_SWAP_LOAD)
    t.loaded = t.entry.p
    t.pc = If(t.entry.p == expunged, PC.STORE_LOCK, PC.TRY_SWAP_CAS)


@action
def try_swap_cas(t: Thread) -> None:
    """e.p.CompareAndSwap(p, i) succeeds"""
    when(t.pc == PC.TRY_SWAP_CAS, t.entry.p == t.loaded)
    store_takes_effect(t)
    t.entry.p = t.value
    t.pc = PC.RETURN


@action
def try_swap_retry(t: Thread) -> None:
    """e.p.CompareAndSwap(p, i) fails"""
    when(t.pc == PC.TRY_SWAP_CAS, t.entry.p != t.loaded)
    t.pc = PC.TRY_SWAP_LOAD


@action
def store_lock(t: Thread) -> None:
    """m.mu.Lock()"""
    lock(t, at=PC.STORE_LOCK, then=PC.STORE_RECHECK)


@action
def store_recheck_hit(t: Thread) -> None:
    """read = m.loadReadOnly(); e, ok := read.m[key]; ok"""
    when(t.pc == PC.STORE_RECHECK, m.read.has[t.key])
    t.entry = m.read.entry[t.key]
    t.pc = PC.UNEXPUNGE


@action
def store_in_dirty(t: Thread) -> None:
    """e, ok := m.dirty[key]; ok"""
    when(t.pc == PC.STORE_RECHECK, ~m.read.has[t.key], m.dirty.has[t.key])
    t.entry = m.dirty.entry[t.key]
    t.pc = PC.SWAP_LOCKED


@action
def store_new_key(t: Thread) -> None:
    """in neither map: dirtyLocked first, if !read.amended"""
    when(t.pc == PC.STORE_RECHECK, ~m.read.has[t.key], ~m.dirty.has[t.key])
    t.pc = If(m.amended, PC.INSERT_NEW, PC.DIRTY_LOCKED)


@action
def unexpunge_locked(t: Thread) -> None:
    """e.unexpungeLocked(): e.p.CompareAndSwap(expunged, nil) succeeds"""
    when(t.pc == PC.UNEXPUNGE, t.entry.p == expunged)
    t.entry.p = nil
    t.pc = PC.UNEXPUNGE_INSERT


@action
def unexpunge_not_needed(t: Thread) -> None:
    """e.unexpungeLocked(): e.p.CompareAndSwap(expunged, nil) fails"""
    when(t.pc == PC.UNEXPUNGE, t.entry.p != expunged)
    t.pc = PC.SWAP_LOCKED


@action
def unexpunge_insert(t: Thread) -> None:
    """m.dirty[key] = e"""
    when(t.pc == PC.UNEXPUNGE_INSERT)
    insert(m.dirty, t.key, t.entry)
    t.pc = PC.SWAP_LOCKED


@action
def swap_locked(t: Thread) -> None:
    """e.swapLocked(&value)"""
    when(t.pc == PC.SWAP_LOCKED)
    store_takes_effect(t)
    t.entry.p = t.value
    t.pc = PC.UNLOCK


@action
def dirty_locked(t: Thread, new: EntryMap) -> None:
    """m.dirtyLocked(): m.dirty = make(map[any]*entry, len(read.m))"""
    when(t.pc == PC.DIRTY_LOCKED, m.dirty == nil_map, ~new.allocated)
    m.dirty = new
    new.allocated = True
    new.length = 0
    everywhere(EntryMap.has, lambda table, k: all_of(table != new, table.has[k]))
    everywhere(Key.copied, lambda k: False)
    t.pc = PC.DIRTY_COPY


@action(dead="dirtyLocked is only called while read is not amended, and then there is no dirty map")
def dirty_locked_skip(t: Thread) -> None:
    """m.dirtyLocked(): if m.dirty != nil return"""
    when(t.pc == PC.DIRTY_LOCKED, m.dirty != nil_map)
    t.pc = PC.AMEND


@action
def try_expunge_locked(t: Thread, k: Key) -> None:
    """e.tryExpungeLocked(): nil becomes expunged, expunged stays, and the key is not copied"""
    e = m.read.entry[k]
    when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, one_of(e.p, nil, expunged))
    e.p = expunged
    k.copied = True


@action
def dirty_copy(t: Thread, k: Key) -> None:
    """!e.tryExpungeLocked(): m.dirty[k] = e"""
    e = m.read.entry[k]
    when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, is_value(e.p))
    insert(m.dirty, k, e)
    k.copied = True


@action
def dirty_copy_done(t: Thread) -> None:
    """the loop over read.m ends"""
    when(t.pc == PC.DIRTY_COPY, forall(Key, lambda k: implies(m.read.has[k], k.copied)))
    t.pc = PC.AMEND


@action
def amend(t: Thread) -> None:
    """m.read.Store(&readOnly{m: read.m, amended: true})"""
    when(t.pc == PC.AMEND)
    m.amended = True
    t.pc = PC.INSERT_NEW


@action
def insert_new(t: Thread, e: Entry) -> None:
    """m.dirty[key] = newEntry(value)"""
    when(t.pc == PC.INSERT_NEW, ~e.allocated)
    store_takes_effect(t)
    e.allocated = True
    e.detached = False
    e.p = t.value
    everywhere(Entry.serves, lambda f, k: If(f == e, k == t.key, f.serves[k]))
    insert(m.dirty, t.key, e)
    t.pc = PC.UNLOCK


STORE_STEPS = actions_in(globals())
