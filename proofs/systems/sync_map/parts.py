"""What the steps of sync.Map are made of: a little vocabulary, and where operations take effect.

The idea: the abstract map, the one that a user has in mind, changes in `take_effect`, `take_effect_on_entry`
and Clear's one step, and nowhere else; so where an operation takes effect can be read off the steps.

Two kinds of entry are cut off from the map while operations still hold them, and what happens to those late is
the subtle point of the whole proof.

*Cleared.* A Clear takes effect when it stores an empty `read`: every key becomes absent at that moment. An
operation that holds an entry from before goes on reading and writing it, though nobody who comes later will see
it. Such a late access counts as just before the Clear, in the order of the late accesses: the pointer of the
entry is what the key holds just before the Clear, so a late write changes that and not what the key holds now.
This is right only for calls that were under way when the Clear took effect. Therefore the Clear notes which
calls those are (`Thread.overlaps`), and a late write shows what it wrote to those calls alone (`Thread.seen`);
the invariant says that nobody else holds a cleared entry that can still be written, and that each who does has
seen what is in it.

*Detached.* A LoadAndDelete of a key that only dirty has takes effect when it takes the entry out of dirty,
and collects the value after Unlock. A CompareAndDelete that found the entry in dirty before may empty it first.
Then the removal passes from the one to the other: the CompareAndDelete removed the value at the moment when the
entry left dirty, and the LoadAndDelete came just after it, to an absent key. Both were under way at that moment.
A value can be collected once only, as nobody fills a detached entry again (`detached_only_emptied`).
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.state import (
    PC,
    Entry,
    EntryMap,
    Key,
    Op,
    Pointer,
    Thread,
    Value,
    expunged,
    m,
    nil,
)
from mapproof.proofs.terms import Bool, If, all_of, any_of, claim, count, everywhere, forall, implies, one_of

ANSWERED_AFTER_UNLOCK = (Op.LOAD, Op.LOAD_AND_DELETE, Op.COMPARE_AND_DELETE)
"""The operations that find their entry under the lock and look into it after Unlock."""

AFTER_LOOKUP = (PC.MISS_LOCKED, PC.PROMOTE_READ, PC.PROMOTE_DIRTY, PC.PROMOTE_MISSES, PC.UNLOCK)

AT_MOST_ONCE = "an operation takes effect at most once"


# ------------------------------------------------------------------------------------------------ vocabulary


def at(t: Thread, *places: PC) -> Bool:
    """Thread t is at one of these places."""
    return one_of(t.pc, *places)


def does(t: Thread, *operations: Op) -> Bool:
    """Thread t is in one of these operations."""
    return one_of(t.op, *operations)


def place_for(t: Thread, *places: tuple[Op, PC], otherwise: PC) -> PC:
    """Where each operation goes on."""
    for op, place in reversed(places):
        otherwise = If(t.op == op, place, otherwise)
    return otherwise


def holds_mu(t: Thread) -> Bool:
    """Thread t is between m.mu.Lock() and m.mu.Unlock()."""
    return all_of(m.mu_held, m.mu_owner == t)


def is_value(pointer: Pointer) -> Bool:
    """The pointer is the address of a value, not one of the two marks."""
    return all_of(pointer != nil, pointer != expunged)


def equals(pointer: Pointer, value: Value) -> Bool:
    """The pointer is the address of this very value."""
    return all_of(is_value(pointer), pointer.value == value)


def as_answer(pointer: Pointer) -> Pointer:
    """What a caller is told of an entry's pointer: expunged reads as absent."""
    return If(pointer == expunged, nil, pointer)


def is_empty() -> Bool:
    """len(read.m) == 0 && !read.amended"""
    return all_of(~m.amended, forall(Key, lambda k: ~m.read.has[k]))


def insert(table: EntryMap, k: Key, e: Entry) -> None:
    """table[k] = e"""
    table.length = table.length + count(~table.has[k])
    table.has[k] = True
    table.entry[k] = e


# ------------------------------------------------------------------------------------------------ effects


def take_effect(t: Thread, new: Pointer) -> None:
    """The linearization point of an operation that adds or removes its key: from now on the key holds `new`."""
    claim(AT_MOST_ONCE, ~t.done)
    t.done = True
    t.taken = t.key.contents
    t.key.contents = new
    everywhere(Thread.seen, lambda u, x: any_of(u.seen[x], all_of(u.key == t.key, x == new)))


def take_effect_on_entry(t: Thread, new: Pointer) -> None:
    """The linearization point of an operation that writes `new` into its entry.

    In an entry that the map has, that is now. In one that is cut off it was earlier; see the head of this file.
    """
    e = t.entry
    cut_off = any_of(e.cleared, e.detached)
    claim(AT_MOST_ONCE, any_of(~t.done, collects(t, e)))
    claim("a late write is of a call that the clear overlaps", implies(e.cleared, t.overlaps[e]))
    claim(
        "what was taken out of dirty is emptied once, and never filled",
        implies(e.detached, is_value(e.p), new == nil),
    )
    t.taken = If(cut_off, as_answer(e.p), t.key.contents)
    t.key.contents = If(cut_off, t.key.contents, new)
    everywhere(Thread.done, lambda u: any_of(u == t, all_of(u.done, ~collects(u, e))))
    everywhere(Thread.seen, lambda u, x: any_of(u.seen[x], all_of(x == new, u.key == t.key, _sees(u, e))))
    e.p = new


def collects(t: Thread, e: Entry) -> Bool:
    """Thread t took this entry out of dirty, and has still to collect what was in it."""
    to_collect = any_of(at(t, PC.DELETE_LOAD, PC.DELETE_CAS), all_of(t.found, at(t, *AFTER_LOOKUP)))
    return all_of(e.detached, t.entry == e, does(t, Op.LOAD_AND_DELETE), to_collect)


def _sees(u: Thread, e: Entry) -> Bool:
    """What is written into this entry its key holds at some moment of u's call."""
    return If(e.cleared, u.overlaps[e], ~e.detached)
