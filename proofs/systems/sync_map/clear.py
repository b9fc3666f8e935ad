"""The atomic steps of sync.Map's Clear (Go 1.23), beside those that it shares: read, Lock, Unlock.

The idea: the store of an empty `read` makes every key absent at one moment. Whoever still holds an entry from
before finishes on it, and counts as before that moment; `parts.py` says why that is right.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import AT_MOST_ONCE, as_answer, does, is_empty
from mapproof.proofs.systems.sync_map.state import PC, Entry, EntryMap, Key, Op, Thread, m, nil
from mapproof.proofs.terms import all_of, any_of, claim, everywhere, forall, implies, when
from mapproof.proofs.transition_system import action, actions_in

CLEARS_NOTHING = "a clear that clears nothing finds every key absent"


def find_it_empty(t: Thread) -> None:
    """The linearization point of a Clear that has nothing to clear."""
    claim(CLEARS_NOTHING, forall(Key, lambda k: k.contents == nil))
    claim(AT_MOST_ONCE, ~t.done)
    t.done = True


@action
def clear_nothing(t: Thread) -> None:
    """read := m.loadReadOnly(); len(read.m) == 0 && !read.amended: return"""
    when(t.pc == PC.READ, does(t, Op.CLEAR), is_empty())
    find_it_empty(t)
    t.pc = PC.RETURN


@action
def clear_recheck_empty(t: Thread) -> None:
    """read = m.loadReadOnly(); len(read.m) == 0 && !read.amended: read stays"""
    when(t.pc == PC.RECHECK, does(t, Op.CLEAR), is_empty())
    find_it_empty(t)
    t.pc = PC.CLEAR_DIRTY


@action
def clear_recheck(t: Thread) -> None:
    """read = m.loadReadOnly(); len(read.m) > 0 || read.amended"""
    when(t.pc == PC.RECHECK, does(t, Op.CLEAR), ~is_empty())
    t.pc = PC.CLEAR_READ


@action
def clear_read(t: Thread, new: EntryMap) -> None:
    """m.read.Store(&readOnly{}): every key is absent from now on"""
    when(t.pc == PC.CLEAR_READ, ~new.allocated)
    claim(AT_MOST_ONCE, ~t.done)
    claim(
        "each entry that a clear cuts off holds what its key does",
        forall(
            Key,
            lambda k: all_of(
                implies(m.read.has[k], k.contents == as_answer(m.read.entry[k].p)),
                implies(all_of(~m.read.has[k], m.dirty.has[k]), k.contents == as_answer(m.dirty.entry[k].p)),
            ),
        ),
    )
    m.read = new
    m.amended = False
    new.allocated = True
    new.published = True
    new.length = 0
    everywhere(EntryMap.has, lambda table, k: all_of(table != new, table.has[k]))
    everywhere(Key.contents, lambda k: nil)
    everywhere(Thread.seen, lambda u, x: any_of(u.seen[x], x == nil))
    everywhere(
        Thread.overlaps,
        lambda u, e: any_of(u.overlaps[e], all_of(u.pc != PC.IDLE, e.allocated, ~e.detached, ~e.cleared)),
    )
    everywhere(Entry.cleared, lambda e: any_of(e.cleared, all_of(e.allocated, ~e.detached)))
    t.done = True
    t.pc = PC.CLEAR_DIRTY


@action
def clear_dirty(t: Thread) -> None:
    """clear(m.dirty), which stays; a nil map has nothing to clear"""
    when(t.pc == PC.CLEAR_DIRTY)
    everywhere(EntryMap.has, lambda table, k: all_of(table != m.dirty, table.has[k]))
    m.dirty.length = 0
    t.pc = PC.CLEAR_MISSES


@action
def clear_misses(t: Thread) -> None:
    """m.misses = 0"""
    when(t.pc == PC.CLEAR_MISSES)
    m.misses = 0
    t.pc = PC.UNLOCK


CLEAR_STEPS = actions_in(globals())
