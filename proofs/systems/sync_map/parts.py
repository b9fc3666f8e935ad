"""What the steps of sync.Map are made of: a little vocabulary, and the shapes that several methods share.

The idea: the abstract map, the one that a user has in mind, changes in `take_effect` and nowhere else; so
where an operation takes effect can be read off the steps.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.state import PC, Entry, EntryMap, Key, Pointer, Thread, expunged, m, nil
from mapproof.proofs.terms import Bool, If, all_of, any_of, claim, count, everywhere, when


def is_value(pointer: Pointer) -> Bool:
    """The pointer is the address of a value, not one of the two marks."""
    return all_of(pointer != nil, pointer != expunged)


def as_answer(pointer: Pointer) -> Pointer:
    """What a caller is told of an entry's pointer: expunged reads as absent."""
    return If(pointer == expunged, nil, pointer)


def insert(table: EntryMap, k: Key, e: Entry) -> None:
    """table[k] = e"""
    table.length = table.length + count(~table.has[k])
    table.has[k] = True
    table.entry[k] = e


def take_effect(t: Thread, k: Key, new: Pointer) -> None:
    """The linearization point: the abstract map changes here, and nowhere else; from now on k holds `new`."""
    t.done = True
    k.contents = new
    everywhere(Thread.seen, lambda u, x: any_of(u.seen[x], all_of(u.key == k, x == new)))


def store_takes_effect(t: Thread) -> None:
    """The one moment at which Store changes the abstract map."""
    claim("a store takes effect exactly once", ~t.done)
    take_effect(t, t.key, t.value)


def load_read_only(t: Thread, at: PC, then: PC) -> None:
    """read := m.loadReadOnly(): map and amended are one atomic load."""
    when(t.pc == at)
    t.read = m.read
    t.amended = m.amended
    t.pc = then


def hit_in_read(t: Thread, at: PC, then: PC) -> None:
    """e, ok := read.m[key] with ok"""
    when(t.pc == at, t.read.has[t.key])
    t.entry = t.read.entry[t.key]
    t.pc = then


def lock(t: Thread, at: PC, then: PC) -> None:
    """m.mu.Lock()"""
    when(t.pc == at, ~m.mu_held)
    m.mu_held = True
    m.mu_owner = t
    t.pc = then
