"""What follows from the invariant of Go's sync.Map: the rules I1 to I6 that stand in `impl/sync_map.py`.

The idea: these are the sentences in which the algorithm is usually explained. Those about a state hold wherever
the invariant does and mu is free; those about a step hold of every step. I7 is a statement of the invariant itself.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.invariant import has_dirty, owner_at
from mapproof.proofs.systems.sync_map.parts import at
from mapproof.proofs.systems.sync_map.state import PC, Entry, EntryMap, Key, Thread, expunged, m, nil
from mapproof.proofs.systems.sync_map.thread_invariant import UNDER_LOCK
from mapproof.proofs.terms import Bool, after, all_of, any_of, forall, implies
from mapproof.proofs.transition_system import lemma, lemmas_in, step_properties_in, step_property


@lemma("not amended: read has every key of the map")
def unamended_read_is_whole() -> Bool:
    """I1. While read is not amended, mu held or not, a key that read.m does not have is absent."""
    return implies(~m.amended, forall(Key, lambda k: implies(~m.read.has[k], k.contents == nil)))


@lemma("amended: dirty has every entry of read that is not expunged")
def amended_dirty_is_whole() -> Bool:
    """I2. With mu free and read amended there is a dirty map, and it shares every live or deleted entry of read."""
    return implies(
        all_of(~m.mu_held, m.amended),
        has_dirty(),
        forall(
            Key,
            lambda k: implies(
                all_of(m.read.has[k], m.read.entry[k].p != expunged),
                m.dirty.has[k],
                m.dirty.entry[k] == m.read.entry[k],
            ),
        ),
    )


@lemma("an expunged entry is not in dirty, which exists")
def expunged_is_not_in_dirty() -> Bool:
    """I3. With mu free, where an entry of read is expunged there is a dirty map, and it does not have the key."""
    return implies(
        ~m.mu_held,
        forall(
            Key,
            lambda k: implies(
                all_of(m.read.has[k], m.read.entry[k].p == expunged), has_dirty(), ~m.dirty.has[k]
            ),
        ),
    )


@lemma("a deleted entry is in dirty, if there is one")
def deleted_is_in_dirty() -> Bool:
    """I4. With mu free, where an entry of read is nil there is no dirty map, or it has this very entry."""
    return implies(
        all_of(~m.mu_held, has_dirty()),
        forall(
            Key,
            lambda k: implies(
                all_of(m.read.has[k], m.read.entry[k].p == nil),
                m.dirty.has[k],
                m.dirty.entry[k] == m.read.entry[k],
            ),
        ),
    )


@lemma("mu keeps all but one thread out")
def mutual_exclusion() -> Bool:
    """No two threads are at places between m.mu.Lock() and m.mu.Unlock()."""
    return forall(
        Thread,
        Thread,
        lambda t, u: implies(all_of(at(t, *UNDER_LOCK), at(u, *UNDER_LOCK)), t == u),
    )


@step_property("a read map that was published never changes")
def published_never_written() -> Bool:
    """I5. No step adds a key to a map that is or was read.m, takes one out, or gives one another entry."""
    return forall(
        EntryMap,
        Key,
        lambda table, k: implies(
            table.published,
            after(table.has[k]) == table.has[k],
            implies(table.has[k], after(table.entry[k]) == table.entry[k]),
        ),
    )


@step_property("an entry is expunged from nil only, by the copy, and comes back to nil only, under mu")
def expunged_under_lock() -> Bool:
    """I6. Expunged is entered from nil in dirtyLocked's loop, and left for nil by unexpungeLocked; both under mu."""
    return forall(
        Entry,
        lambda e: implies(
            all_of(e.allocated, (e.p == expunged) != (after(e.p) == expunged)),
            any_of(
                all_of(e.p == nil, owner_at(PC.TRY_EXPUNGE)),
                all_of(after(e.p) == nil, owner_at(PC.UNEXPUNGE)),
            ),
        ),
    )


@step_property("an entry that was taken out of dirty is only emptied")
def detached_only_emptied() -> Bool:
    """Once a LoadAndDelete has taken an entry out of dirty it goes to nil at most once, and nowhere else."""
    return forall(
        Entry,
        lambda e: implies(
            all_of(e.allocated, e.detached), any_of(after(e.p) == e.p, after(e.p) == nil), after(e.detached)
        ),
    )


@step_property("what was there at a Clear stays cut off")
def cleared_stays() -> Bool:
    """No step makes a cleared entry an entry of the map again."""
    return forall(Entry, lambda e: implies(all_of(e.allocated, e.cleared), after(e.cleared)))


LEMMAS = lemmas_in(globals())
STEP_PROPERTIES = step_properties_in(globals())
