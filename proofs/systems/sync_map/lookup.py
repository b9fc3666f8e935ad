"""The atomic steps by which an operation of sync.Map finds its entry: first without the lock, then with it.

The idea: one action for each access to shared memory that another thread could come between, named after what
the code does there. Under mu, lookups in what only the holder of mu touches belong to the access beside them.
Operations share a step where the code of each has the same line; where they part, `op` decides.

Atomics are sequentially consistent, as Go's are.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import (
    ANSWERED_AFTER_UNLOCK,
    does,
    is_empty,
    is_value,
    place_for,
    take_effect,
)
from mapproof.proofs.systems.sync_map.state import PC, Op, Thread, m, nil
from mapproof.proofs.terms import Bool, If, all_of, any_of, when
from mapproof.proofs.transition_system import action, actions_in

LOOKED_INTO_AT = (
    (Op.SWAP, PC.TRY_SWAP_LOAD),
    (Op.LOAD_OR_STORE, PC.TRY_LOAD_OR_STORE_LOAD),
    (Op.LOAD_AND_DELETE, PC.DELETE_LOAD),
    (Op.COMPARE_AND_SWAP, PC.TRY_COMPARE_AND_SWAP_LOAD),
    (Op.COMPARE_AND_DELETE, PC.COMPARE_AND_DELETE_LOAD),
)
"""The first access of each operation to its entry; that of Load and Range is `PC.ENTRY_LOAD`."""


def not_in_read(t: Thread) -> Bool:
    """The thread is at its second look, and read.m does not have its key."""
    return all_of(t.pc == PC.RECHECK, ~m.read.has[t.key])


# ------------------------------------------------------------------------------------------------ without the lock


@action
def read(t: Thread) -> None:
    """read := m.loadReadOnly(): map and amended are one atomic load; Range goes to the lock if read.amended"""
    when(t.pc == PC.READ, any_of(~does(t, Op.CLEAR), ~is_empty()))
    t.read = m.read
    t.amended = m.amended
    to_lock = any_of(does(t, Op.CLEAR), all_of(does(t, Op.RANGE), m.amended))
    t.pc = If(to_lock, PC.LOCK, PC.LOOKUP)


@action
def lookup_hit(t: Thread) -> None:
    """e, ok := read.m[key]; ok"""
    when(t.pc == PC.LOOKUP, t.read.has[t.key])
    t.entry = t.read.entry[t.key]
    t.pc = place_for(t, *LOOKED_INTO_AT, otherwise=PC.ENTRY_LOAD)


@action
def lookup_miss(t: Thread) -> None:
    """e, ok := read.m[key]; !ok: a store goes to the lock, the others do if read.amended, else it is absent"""
    when(t.pc == PC.LOOKUP, ~t.read.has[t.key])
    t.pc = If(any_of(does(t, Op.SWAP, Op.LOAD_OR_STORE), t.amended), PC.LOCK, PC.RETURN)


@action
def lock(t: Thread) -> None:
    """m.mu.Lock()"""
    when(t.pc == PC.LOCK, ~m.mu_held)
    m.mu_held = True
    m.mu_owner = t
    t.pc = PC.RECHECK


# ------------------------------------------------------------------------------------------------ under the lock


@action
def recheck_hit(t: Thread) -> None:
    """read = m.loadReadOnly(); e, ok = read.m[key]; ok"""
    when(t.pc == PC.RECHECK, ~does(t, Op.RANGE, Op.CLEAR), m.read.has[t.key])
    t.entry = m.read.entry[t.key]
    t.found = does(t, *ANSWERED_AFTER_UNLOCK)
    t.pc = place_for(
        t,
        (Op.SWAP, PC.UNEXPUNGE),
        (Op.LOAD_OR_STORE, PC.UNEXPUNGE),
        (Op.COMPARE_AND_SWAP, PC.TRY_COMPARE_AND_SWAP_LOAD),
        otherwise=PC.UNLOCK,
    )


@action
def recheck_clean(t: Thread) -> None:
    """not in read.m, and !read.amended"""
    when(not_in_read(t), does(t, *ANSWERED_AFTER_UNLOCK), ~m.amended)
    t.pc = PC.UNLOCK


@action
def get_from_dirty(t: Thread) -> None:
    """Load, CompareAndDelete: e, ok = m.dirty[key]"""
    when(not_in_read(t), does(t, Op.LOAD, Op.COMPARE_AND_DELETE), m.amended)
    t.found = m.dirty.has[t.key]
    t.entry = If(m.dirty.has[t.key], m.dirty.entry[t.key], t.entry)
    t.pc = PC.MISS_LOCKED


@action
def delete_not_in_dirty(t: Thread) -> None:
    """LoadAndDelete: e, ok = m.dirty[key]; !ok"""
    when(not_in_read(t), does(t, Op.LOAD_AND_DELETE), m.amended, ~m.dirty.has[t.key])
    t.pc = PC.MISS_LOCKED


def detach(t: Thread) -> None:
    """e = m.dirty[key]; delete(m.dirty, key)"""
    t.entry = m.dirty.entry[t.key]
    t.found = True
    m.dirty.entry[t.key].detached = True
    m.dirty.has[t.key] = False
    m.dirty.length = m.dirty.length - 1
    t.pc = PC.MISS_LOCKED


@action
def delete_emptied_from_dirty(t: Thread) -> None:
    """LoadAndDelete: e, ok = m.dirty[key]; ok; delete(m.dirty, key); a CompareAndDelete had emptied e"""
    e = m.dirty.entry[t.key]
    when(not_in_read(t), does(t, Op.LOAD_AND_DELETE), m.amended, m.dirty.has[t.key], ~is_value(e.p))
    detach(t)


@action
def delete_from_dirty(t: Thread) -> None:
    """LoadAndDelete: e, ok = m.dirty[key]; ok; delete(m.dirty, key)"""
    e = m.dirty.entry[t.key]
    when(not_in_read(t), does(t, Op.LOAD_AND_DELETE), m.amended, m.dirty.has[t.key], is_value(e.p))
    take_effect(t, nil)
    detach(t)


@action
def store_in_dirty(t: Thread) -> None:
    """Swap, LoadOrStore, CompareAndSwap: e, ok := m.dirty[key]; ok"""
    when(not_in_read(t), does(t, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP), m.dirty.has[t.key])
    t.entry = m.dirty.entry[t.key]
    t.in_dirty = True
    t.pc = place_for(t, (Op.SWAP, PC.SWAP_LOCKED), *LOOKED_INTO_AT, otherwise=PC.UNLOCK)


@action
def compare_and_swap_not_in_dirty(t: Thread) -> None:
    """CompareAndSwap: e, ok := m.dirty[key]; !ok"""
    when(not_in_read(t), does(t, Op.COMPARE_AND_SWAP), ~m.dirty.has[t.key])
    t.pc = PC.UNLOCK


@action
def store_new_key(t: Thread) -> None:
    """Swap, LoadOrStore: in neither map; dirtyLocked first, if !read.amended"""
    when(not_in_read(t), does(t, Op.SWAP, Op.LOAD_OR_STORE), ~m.dirty.has[t.key])
    t.pc = If(m.amended, PC.INSERT_NEW, PC.DIRTY_LOCKED)


@action
def range_recheck_amended(t: Thread) -> None:
    """Range: read = m.loadReadOnly(); read.amended: dirty is promoted at once"""
    when(t.pc == PC.RECHECK, does(t, Op.RANGE), m.amended)
    t.pc = PC.PROMOTE_READ


@action
def range_recheck_clean(t: Thread) -> None:
    """Range: read = m.loadReadOnly(); !read.amended"""
    when(t.pc == PC.RECHECK, does(t, Op.RANGE), ~m.amended)
    t.read = m.read
    t.amended = False
    t.pc = PC.UNLOCK


@action
def unlock(t: Thread) -> None:
    """m.mu.Unlock(), and what is done with the entry that was found; Range starts its loop"""
    when(t.pc == PC.UNLOCK)
    m.mu_held = False
    found = place_for(t, *LOOKED_INTO_AT, otherwise=PC.ENTRY_LOAD)
    t.pc = If(does(t, Op.RANGE), PC.LOOKUP, If(t.found, found, PC.RETURN))


LOOKUP_STEPS = actions_in(globals())
