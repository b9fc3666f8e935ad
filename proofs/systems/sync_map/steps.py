"""The atomic steps of Go's sync.Map: Load and LoadAndDelete, misses and promotion. Store is beside it.

The idea: one action for each access to shared memory that another thread could come between, named after
the method of Go's source that makes it. What a thread does while it holds mu to fields that only the
holder of mu touches is one step where Go looks and branches, and separate steps where it writes, for readers
without the lock see `read` and the entries at any moment.

Atomics are sequentially consistent, as Go's are. Range, CompareAndSwap, LoadOrStore and Clear are not here.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import (
    as_answer,
    hit_in_read,
    is_value,
    load_read_only,
    lock,
    take_effect,
)
from mapproof.proofs.systems.sync_map.state import (
    PC,
    Entry,
    EntryMap,
    Key,
    Op,
    Pointer,
    Thread,
    expunged,
    first_map,
    m,
    nil,
    nil_map,
)
from mapproof.proofs.terms import If, Int, all_of, any_of, claim, everywhere, implies, one_of, when
from mapproof.proofs.transition_system import action, actions_in

# ------------------------------------------------------------------------------------------------ the calls


@action
def initial() -> None:
    """An empty map, and no operation under way."""
    m.read = first_map
    m.amended = False
    m.dirty = nil_map
    m.misses = 0
    m.mu_held = False
    everywhere(EntryMap.published, lambda table: table == first_map)
    everywhere(EntryMap.allocated, lambda table: one_of(table, first_map, nil_map))
    everywhere(EntryMap.has, lambda table, k: False)
    everywhere(EntryMap.length, lambda table: 0)
    everywhere(Entry.allocated, lambda e: False)
    everywhere(Entry.detached, lambda e: False)
    everywhere(Key.contents, lambda k: nil)
    everywhere(Thread.pc, lambda t: PC.IDLE)


@action
def invoke(t: Thread, op: Op, k: Key, v: Pointer) -> None:
    """A call of Load(k), Store(k, v) or LoadAndDelete(k)"""
    when(t.pc == PC.IDLE, is_value(v))
    t.pc = If(op == Op.LOAD, PC.LOAD_READ, If(op == Op.STORE, PC.STORE_READ, PC.DELETE_READ))
    t.op = op
    t.key = k
    t.value = v
    t.done = False
    everywhere(Thread.seen, lambda u, x: If(u == t, x == k.contents, u.seen[x]))


@action
def answer(t: Thread) -> None:
    """return"""
    when(t.pc == PC.RETURN)
    claim(
        "a load answers with a value that the key had at some moment of the call",
        implies(t.op == Op.LOAD, t.seen[t.result]),
    )
    claim("a store takes effect exactly once", implies(t.op == Op.STORE, t.done))
    claim(
        "a delete that hits takes effect, and answers with the value that it removed",
        implies(all_of(t.op == Op.DELETE, t.result != nil), t.done, t.result == t.taken),
    )
    claim(
        "a delete that misses changes nothing, and the key was absent at some moment of the call",
        implies(all_of(t.op == Op.DELETE, t.result == nil), ~t.done, t.seen[nil]),
    )
    t.pc = PC.IDLE


# ------------------------------------------------------------------------------------------------ Load


@action
def load_read(t: Thread) -> None:
    """read := m.loadReadOnly()"""
    load_read_only(t, at=PC.LOAD_READ, then=PC.LOAD_LOOKUP)


@action
def load_hit(t: Thread) -> None:
    """e, ok := read.m[key]; ok"""
    hit_in_read(t, at=PC.LOAD_LOOKUP, then=PC.ENTRY_LOAD)


@action
def load_miss(t: Thread) -> None:
    """e, ok := read.m[key]; !ok: to the lock if read.amended, else absent"""
    when(t.pc == PC.LOAD_LOOKUP, ~t.read.has[t.key])
    t.result = nil
    t.pc = If(t.amended, PC.LOAD_LOCK, PC.RETURN)


@action
def load_lock(t: Thread) -> None:
    """m.mu.Lock()"""
    lock(t, at=PC.LOAD_LOCK, then=PC.LOAD_RECHECK)


@action
def load_recheck_hit(t: Thread) -> None:
    """read = m.loadReadOnly(); e, ok = read.m[key]; ok"""
    when(t.pc == PC.LOAD_RECHECK, m.read.has[t.key])
    t.entry = m.read.entry[t.key]
    t.found = True
    t.pc = PC.UNLOCK


@action
def load_recheck_clean(t: Thread) -> None:
    """not in read.m, and !read.amended"""
    when(t.pc == PC.LOAD_RECHECK, ~m.read.has[t.key], ~m.amended)
    t.found = False
    t.pc = PC.UNLOCK


@action
def load_from_dirty(t: Thread) -> None:
    """e, ok = m.dirty[key]"""
    when(t.pc == PC.LOAD_RECHECK, ~m.read.has[t.key], m.amended)
    t.found = m.dirty.has[t.key]
    t.entry = If(m.dirty.has[t.key], m.dirty.entry[t.key], t.entry)
    t.pc = PC.MISS_LOCKED


@action
def entry_load(t: Thread) -> None:
    """e.load(): p := e.p.Load()"""
    when(t.pc == PC.ENTRY_LOAD)
    t.result = as_answer(t.entry.p)
    t.pc = PC.RETURN


# ------------------------------------------------------------------------------------------------ LoadAndDelete


@action
def delete_read(t: Thread) -> None:
    """read := m.loadReadOnly()"""
    load_read_only(t, at=PC.DELETE_READ, then=PC.DELETE_LOOKUP)


@action
def delete_hit(t: Thread) -> None:
    """e, ok := read.m[key]; ok"""
    hit_in_read(t, at=PC.DELETE_LOOKUP, then=PC.ENTRY_DELETE_LOAD)


@action
def delete_miss(t: Thread) -> None:
    """e, ok := read.m[key]; !ok: to the lock if read.amended, else absent"""
    when(t.pc == PC.DELETE_LOOKUP, ~t.read.has[t.key])
    t.result = nil
    t.pc = If(t.amended, PC.DELETE_LOCK, PC.RETURN)


@action
def delete_lock(t: Thread) -> None:
    """m.mu.Lock()"""
    lock(t, at=PC.DELETE_LOCK, then=PC.DELETE_RECHECK)


@action
def delete_recheck_hit(t: Thread) -> None:
    """read = m.loadReadOnly(); e, ok = read.m[key]; ok"""
    when(t.pc == PC.DELETE_RECHECK, m.read.has[t.key])
    t.entry = m.read.entry[t.key]
    t.found = True
    t.pc = PC.UNLOCK


@action
def delete_recheck_clean(t: Thread) -> None:
    """not in read.m, and !read.amended"""
    when(t.pc == PC.DELETE_RECHECK, ~m.read.has[t.key], ~m.amended)
    t.found = False
    t.pc = PC.UNLOCK


@action
def delete_not_in_dirty(t: Thread) -> None:
    """e, ok = m.dirty[key]; !ok"""
    when(t.pc == PC.DELETE_RECHECK, ~m.read.has[t.key], m.amended, ~m.dirty.has[t.key])
    t.found = False
    t.pc = PC.MISS_LOCKED


@action
def delete_from_dirty(t: Thread) -> None:
    """e, ok = m.dirty[key]; ok; delete(m.dirty, key)"""
    when(t.pc == PC.DELETE_RECHECK, ~m.read.has[t.key], m.amended, m.dirty.has[t.key])
    claim("a delete takes effect at most once", ~t.done)
    t.entry = m.dirty.entry[t.key]
    t.found = True
    t.taken = t.key.contents
    take_effect(t, t.key, nil)
    m.dirty.entry[t.key].detached = True
    m.dirty.has[t.key] = False
    m.dirty.length = m.dirty.length - 1
    t.pc = PC.MISS_LOCKED


@action
def entry_delete_load(t: Thread) -> None:
    """e.delete(): p := e.p.Load(); nil and expunged mean absent"""
    gone = one_of(t.entry.p, nil, expunged)
    when(t.pc == PC.ENTRY_DELETE_LOAD)
    t.loaded = t.entry.p
    t.result = If(gone, nil, t.result)
    t.pc = If(gone, PC.RETURN, PC.ENTRY_DELETE_CAS)


@action
def entry_delete_cas(t: Thread) -> None:
    """e.p.CompareAndSwap(p, nil) succeeds; a delete that had its effect in dirty has it no second time"""
    when(t.pc == PC.ENTRY_DELETE_CAS, t.entry.p == t.loaded)
    t.result = t.loaded
    t.taken = If(t.done, t.taken, t.key.contents)
    take_effect(t, t.key, If(t.done, t.key.contents, nil))
    t.entry.p = nil
    t.pc = PC.RETURN


@action
def entry_delete_retry(t: Thread) -> None:
    """e.p.CompareAndSwap(p, nil) fails"""
    when(t.pc == PC.ENTRY_DELETE_CAS, t.entry.p != t.loaded)
    t.pc = PC.ENTRY_DELETE_LOAD


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
    """m.read.Store(&readOnly{m: m.dirty})"""
    when(t.pc == PC.PROMOTE_READ)
    claim("a promotion never publishes a nil map", m.dirty != nil_map)
    m.read = m.dirty
    m.amended = False
    m.dirty.published = True
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


@action
def unlock(t: Thread) -> None:
    """m.mu.Unlock(), and what Load and LoadAndDelete do with the entry that they found"""
    when(t.pc == PC.UNLOCK)
    m.mu_held = False
    t.result = If(any_of(t.op == Op.STORE, t.found), t.result, nil)
    onwards = If(t.op == Op.LOAD, PC.ENTRY_LOAD, PC.ENTRY_DELETE_LOAD)
    t.pc = If(any_of(t.op == Op.STORE, ~t.found), PC.RETURN, onwards)


STEPS = actions_in(globals())
