"""The atomic steps of sync.Map that make, fill and promote dirty, all under mu.

The idea: mu keeps other writers of `read` and `dirty` away, but not those who read `read` without the lock, nor
those who write entries. dirtyLocked copies one key a round, in any order, as Go's loop over a map does.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import does, insert, is_value, take_effect
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
from mapproof.proofs.terms import If, Int, all_of, claim, everywhere, forall, implies, when
from mapproof.proofs.transition_system import action, actions_in

# ------------------------------------------------------------------------------------------------ a new key


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


@action
def dirty_locked_skip(t: Thread) -> None:
    """m.dirtyLocked(): if m.dirty != nil return; a Clear left it there, empty"""
    when(t.pc == PC.DIRTY_LOCKED, m.dirty != nil_map)
    t.pc = PC.AMEND


@action
def dirty_copy(t: Thread, k: Key) -> None:
    """for k, e := range read.m; e.tryExpungeLocked(): p := e.p.Load(); not nil: m.dirty[k] = e"""
    e = m.read.entry[k]
    when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, is_value(e.p))
    insert(m.dirty, k, e)
    k.copied = True


@action
def dirty_copy_deleted(t: Thread, k: Key) -> None:
    """for k, e := range read.m; e.tryExpungeLocked(): p := e.p.Load(); p == nil"""
    when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, m.read.entry[k].p == nil)
    t.copying = k
    t.pc = PC.TRY_EXPUNGE


@action(dead="nothing is expunged while there is no dirty map, and the copy looks at each entry once")
def dirty_copy_expunged(t: Thread, k: Key) -> None:
    """for k, e := range read.m; e.tryExpungeLocked(): p := e.p.Load(); p == expunged: nothing is copied"""
    when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, m.read.entry[k].p == expunged)
    k.copied = True


@action
def try_expunge_locked(t: Thread) -> None:
    """e.tryExpungeLocked(): e.p.CompareAndSwap(nil, expunged) succeeds, and the key is not copied"""
    e = m.read.entry[t.copying]
    when(t.pc == PC.TRY_EXPUNGE, e.p == nil)
    e.p = expunged
    t.copying.copied = True
    t.pc = PC.DIRTY_COPY


@action
def try_expunge_retry(t: Thread) -> None:
    """e.tryExpungeLocked(): e.p.CompareAndSwap(nil, expunged) fails"""
    when(t.pc == PC.TRY_EXPUNGE, m.read.entry[t.copying].p != nil)
    t.pc = PC.DIRTY_COPY


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
    take_effect(t, t.value)
    e.allocated = True
    e.detached = False
    e.cleared = False
    e.p = t.value
    everywhere(Entry.serves, lambda f, k: If(f == e, k == t.key, f.serves[k]))
    insert(m.dirty, t.key, e)
    t.pc = PC.UNLOCK


# ------------------------------------------------------------------------------------------------ missLocked


def misses_after() -> Int:
    """m.misses++"""
    return m.misses + 1


@action
def miss_locked_stay(t: Thread) -> None:
    """m.misses++; m.misses < len(m.dirty)"""
    when(t.pc == PC.MISS_LOCKED, misses_after() < m.dirty.length)
    m.misses = misses_after()
    t.pc = PC.UNLOCK


@action
def miss_locked_promote(t: Thread) -> None:
    """m.misses++; m.misses >= len(m.dirty)"""
    when(t.pc == PC.MISS_LOCKED, misses_after() >= m.dirty.length)
    m.misses = misses_after()
    t.pc = PC.PROMOTE_READ


@action
def promote_read(t: Thread) -> None:
    """m.read.Store(&readOnly{m: m.dirty}); Range goes on with it"""
    when(t.pc == PC.PROMOTE_READ)
    claim("a promotion never publishes a nil map", m.dirty != nil_map)
    m.read = m.dirty
    m.amended = False
    m.dirty.published = True
    t.read = If(does(t, Op.RANGE), m.dirty, t.read)
    t.amended = all_of(~does(t, Op.RANGE), t.amended)
    t.pc = PC.PROMOTE_DIRTY


@action
def promote_dirty(t: Thread) -> None:
    """m.dirty = nil"""
    when(t.pc == PC.PROMOTE_DIRTY)
    m.dirty = nil_map
    t.pc = PC.PROMOTE_MISSES


@action
def promote_misses(t: Thread) -> None:
    """m.misses = 0"""
    when(t.pc == PC.PROMOTE_MISSES)
    m.misses = 0
    t.pc = PC.UNLOCK


DIRTY_STEPS = actions_in(globals())
