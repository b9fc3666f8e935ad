"""What is true of the two maps of Go's sync.Map in every reachable state: the inductive invariant, part one.

The idea: each statement is a sentence in words and the same sentence as a formula. Together with those about
the threads (`thread_invariant.py`) they are inductive: true at first, and no step leads from a state where all
hold to one where some does not.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import as_answer, at
from mapproof.proofs.systems.sync_map.state import PC, Entry, EntryMap, Key, expunged, m, nil, nil_map
from mapproof.proofs.terms import Bool, If, all_of, any_of, forall, implies
from mapproof.proofs.transition_system import invariant, invariants_in

COPYING = (PC.DIRTY_COPY, PC.TRY_EXPUNGE)
COPY = (*COPYING, PC.AMEND)

# ------------------------------------------------------------------------------------------------ vocabulary


def owner_at(*places: PC) -> Bool:
    """mu is held, and its holder is at one of these places."""
    return all_of(m.mu_held, at(m.mu_owner, *places))


def has_dirty() -> Bool:
    """There is a dirty map."""
    return m.dirty != nil_map


def in_use(table: EntryMap) -> Bool:
    """Somebody may look into this map: it is or was read.m, or it is dirty."""
    return any_of(table.published, all_of(has_dirty(), table == m.dirty))


def in_read(k: Key, e: Entry) -> Bool:
    """The newest read maps k to e."""
    return all_of(m.read.has[k], m.read.entry[k] == e)


def only_in_dirty(k: Key, e: Entry) -> Bool:
    """Dirty maps k to e, and read does not have k."""
    return all_of(~m.read.has[k], m.dirty.has[k], m.dirty.entry[k] == e)


def being_moved(k: Key) -> Bool:
    """The holder of mu is about to settle whether k is in dirty: not yet copied, or just unexpunged."""
    return any_of(
        all_of(owner_at(*COPYING), ~k.copied),
        all_of(owner_at(PC.UNEXPUNGE_INSERT), m.mu_owner.key == k),
    )


# ------------------------------------------------------------------------------------------------ the maps


@invariant("amended means that there is a dirty map")
def amended_has_dirty() -> Bool:
    """If read is amended there is a dirty map; where a step needs one, or needs none, read says so."""
    return all_of(
        implies(m.amended, has_dirty()),
        implies(owner_at(*COPY, PC.PROMOTE_DIRTY), has_dirty()),
        implies(owner_at(PC.DIRTY_LOCKED, *COPY, PC.PROMOTE_DIRTY, PC.CLEAR_DIRTY), ~m.amended),
        implies(owner_at(PC.INSERT_NEW, PC.UNEXPUNGE_INSERT, PC.MISS_LOCKED, PC.PROMOTE_READ), m.amended),
    )


@invariant("a dirty map beside an unamended read is the empty one that a Clear left")
def unamended_is_empty() -> Bool:
    """Not amended, and dirty is neither being made nor let go: no key is in dirty, and if there is one, in read."""
    making = owner_at(*COPY, PC.PROMOTE_DIRTY, PC.CLEAR_DIRTY)
    return all_of(
        implies(
            all_of(~m.amended, has_dirty(), ~making),
            forall(Key, lambda k: all_of(~m.read.has[k], ~m.dirty.has[k])),
        ),
        implies(owner_at(PC.CLEAR_DIRTY), forall(Key, lambda k: ~m.read.has[k])),
    )


@invariant("a nil map is empty and never published")
def nil_map_is_empty() -> Bool:
    """The nil map has no key and length 0, is never handed out by make, and never becomes read.m."""
    return all_of(
        forall(Key, lambda k: ~nil_map.has[k]),
        nil_map.length == 0,
        nil_map.allocated,
        ~nil_map.published,
    )


@invariant("the maps in use are allocated")
def maps_allocated() -> Bool:
    """read.m is published, and a map that is published or dirty is not handed out by make a second time."""
    return all_of(
        m.read.published,
        m.dirty.allocated,
        forall(EntryMap, lambda table: implies(table.published, table.allocated)),
    )


@invariant("a published read map is never written")
def dirty_private() -> Bool:
    """The dirty map is not, and never was, a read map, except between the two assignments of a promotion."""
    private = If(owner_at(PC.PROMOTE_DIRTY), m.dirty == m.read, ~m.dirty.published)
    return implies(has_dirty(), private)


@invariant("a map in use has only entries in use")
def map_entries_allocated() -> Bool:
    """An entry that a map in use has is not handed out as a new one, and was not taken out of dirty."""
    return forall(
        EntryMap,
        Key,
        lambda table, k: implies(
            all_of(table.has[k], in_use(table)), table.entry[k].allocated, ~table.entry[k].detached
        ),
    )


@invariant("no entry of before a Clear is in the map")
def present_not_cleared() -> Bool:
    """The entries of read and dirty came after the last Clear, but for a dirty that is just being cleared."""
    return forall(
        Key,
        lambda k: all_of(
            implies(m.read.has[k], ~m.read.entry[k].cleared),
            implies(m.dirty.has[k], m.dirty.entry[k].cleared == owner_at(PC.CLEAR_DIRTY)),
        ),
    )


@invariant("an entry never serves two keys")
def key_injective() -> Bool:
    """Each allocated entry was made for one key, and the maps in use have it for that key only."""
    return all_of(
        forall(
            Entry,
            Key,
            Key,
            lambda e, k, j: implies(all_of(e.allocated, e.serves[k], e.serves[j]), k == j),
        ),
        forall(
            EntryMap,
            Key,
            lambda table, k: implies(all_of(table.has[k], in_use(table)), table.entry[k].serves[k]),
        ),
    )


@invariant("a promotion loses no key")
def promotion_loses_no_key() -> Bool:
    """An entry of any past or present read map is expunged, or cleared, or the newest read has it too."""
    return forall(
        EntryMap,
        Key,
        lambda old, k: implies(
            all_of(old.published, old.has[k], old.entry[k].p != expunged, ~old.entry[k].cleared),
            in_read(k, old.entry[k]),
        ),
    )


@invariant("live keys of read are in dirty")
def live_keys_in_dirty() -> Bool:
    """When there is a dirty map, it has every key of read whose entry is not expunged, with the same entry."""
    return implies(
        has_dirty(),
        forall(
            Key,
            lambda k: implies(
                all_of(m.read.has[k], ~being_moved(k), m.read.entry[k].p != expunged),
                m.dirty.has[k],
                m.dirty.entry[k] == m.read.entry[k],
            ),
        ),
    )


@invariant("an entry is expunged exactly when dirty lacks it")
def expunged_iff_not_in_dirty() -> Bool:
    """When there is a dirty map, an entry of read is expunged exactly when dirty does not have its key."""
    return implies(
        has_dirty(),
        forall(
            Key,
            lambda k: implies(
                all_of(m.read.has[k], ~being_moved(k)),
                (m.read.entry[k].p == expunged) == ~m.dirty.has[k],
            ),
        ),
    )


@invariant("dirty holds no expunged entry")
def dirty_not_expunged() -> Bool:
    """No entry that dirty has is expunged."""
    return implies(
        has_dirty(), forall(Key, lambda k: implies(m.dirty.has[k], m.dirty.entry[k].p != expunged))
    )


@invariant("without a dirty map nothing is expunged")
def nothing_expunged_when_clean() -> Bool:
    """When dirty is nil, no entry of read is expunged."""
    return implies(~has_dirty(), forall(Key, lambda k: implies(m.read.has[k], m.read.entry[k].p != expunged)))


@invariant("dirtyLocked copies read key by key")
def copy_progress() -> Bool:
    """During the copy dirty has only keys of read already copied; those not yet copied are not expunged."""
    return all_of(
        implies(
            owner_at(*COPY),
            forall(Key, lambda k: implies(m.dirty.has[k], m.read.has[k])),
        ),
        implies(
            owner_at(*COPYING),
            forall(Key, lambda k: implies(m.dirty.has[k], k.copied)),
            forall(Key, lambda k: implies(all_of(m.read.has[k], ~k.copied), m.read.entry[k].p != expunged)),
        ),
        implies(owner_at(PC.TRY_EXPUNGE), m.read.has[m.mu_owner.copying], ~m.mu_owner.copying.copied),
    )


@invariant("misses stay below the length of dirty", performance=True)
def misses_below_length() -> Bool:
    """With mu free, misses is 0, or read is amended and misses < len(dirty); under mu a promotion may be due first."""
    due = owner_at(
        PC.MISS_LOCKED, PC.PROMOTE_READ, PC.PROMOTE_DIRTY, PC.PROMOTE_MISSES, PC.CLEAR_DIRTY, PC.CLEAR_MISSES
    )
    return all_of(m.misses >= 0, any_of(due, m.misses == 0, all_of(m.amended, m.misses < m.dirty.length)))


@invariant("the map holds what its operations put there")
def contents() -> Bool:
    """The abstract value of a key is its entry's in read, else its entry's in dirty, else the key is absent."""
    clearing = owner_at(PC.CLEAR_DIRTY)
    return forall(
        Key,
        lambda k: If(
            m.read.has[k],
            k.contents == as_answer(m.read.entry[k].p),
            If(all_of(m.dirty.has[k], ~clearing), k.contents == m.dirty.entry[k].p, k.contents == nil),
        ),
    )


MAP_INVARIANT = invariants_in(globals())
