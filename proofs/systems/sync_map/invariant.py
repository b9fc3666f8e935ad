"""What is true of Go's sync.Map in every reachable state: the inductive invariant, one statement each.

The idea: each statement is a sentence in words and the same sentence as a formula. Together they are
inductive: true at first, and no step leads from a state where all hold to one where some does not. The last
group says what a pointer is worth that a thread took from a map some time ago; it is what the answers of
Load, Store and LoadAndDelete rest on.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import as_answer, is_value
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
from mapproof.proofs.terms import Bool, If, all_of, any_of, forall, implies, one_of
from mapproof.proofs.transition_system import invariant, invariants_in

UNDER_LOCK = (
    PC.LOAD_RECHECK,
    PC.DELETE_RECHECK,
    PC.STORE_RECHECK,
    PC.UNEXPUNGE,
    PC.UNEXPUNGE_INSERT,
    PC.SWAP_LOCKED,
    PC.DIRTY_LOCKED,
    PC.DIRTY_COPY,
    PC.AMEND,
    PC.INSERT_NEW,
    PC.MISS_LOCKED,
    PC.PROMOTE_READ,
    PC.PROMOTE_DIRTY,
    PC.PROMOTE_MISSES,
    PC.UNLOCK,
)
AFTER_LOOKUP = (PC.MISS_LOCKED, PC.PROMOTE_READ, PC.PROMOTE_DIRTY, PC.PROMOTE_MISSES, PC.UNLOCK)

# ------------------------------------------------------------------------------------------------ vocabulary


def at(t: Thread, *places: PC) -> Bool:
    """Thread t is at one of these places."""
    return one_of(t.pc, *places)


def owner_at(*places: PC) -> Bool:
    """mu is held, and its holder is at one of these places."""
    return all_of(m.mu_held, at(m.mu_owner, *places))


def has_dirty() -> Bool:
    """There is a dirty map."""
    return m.dirty != nil_map


def in_use(table: EntryMap) -> Bool:
    """Somebody may look into this map: it is or was read.m, or it is dirty."""
    return any_of(table.published, all_of(has_dirty(), table == m.dirty))


def holds_entry_to_answer(t: Thread) -> Bool:
    """A load or a delete has its entry, and will look into it."""
    after_lookup = all_of(t.found, at(t, *AFTER_LOOKUP))
    at_entry = at(t, PC.ENTRY_LOAD, PC.ENTRY_DELETE_LOAD, PC.ENTRY_DELETE_CAS)
    return all_of(t.op != Op.STORE, any_of(at_entry, after_lookup))


def holds_entry(t: Thread) -> Bool:
    """An operation has its entry, and will look into it."""
    storing = (PC.TRY_SWAP_LOAD, PC.TRY_SWAP_CAS, PC.UNEXPUNGE, PC.UNEXPUNGE_INSERT, PC.SWAP_LOCKED)
    return any_of(at(t, *storing), holds_entry_to_answer(t))


def found_nothing(t: Thread) -> Bool:
    """A load or a delete has looked under the lock and found no entry."""
    return all_of(t.op != Op.STORE, ~t.found, at(t, *AFTER_LOOKUP))


def in_read(k: Key, e: Entry) -> Bool:
    """The newest read maps k to e."""
    return all_of(m.read.has[k], m.read.entry[k] == e)


def only_in_dirty(k: Key, e: Entry) -> Bool:
    """Dirty maps k to e, and read does not have k."""
    return all_of(~m.read.has[k], m.dirty.has[k], m.dirty.entry[k] == e)


def being_moved(k: Key) -> Bool:
    """The holder of mu is about to settle whether k is in dirty: not yet copied, or just unexpunged."""
    return any_of(
        all_of(owner_at(PC.DIRTY_COPY), ~k.copied),
        all_of(owner_at(PC.UNEXPUNGE_INSERT), m.mu_owner.key == k),
    )


# ------------------------------------------------------------------------------------------------ the two maps


@invariant("only the holder of mu is between Lock and Unlock")
def lock_owner() -> Bool:
    """A thread is between m.mu.Lock() and m.mu.Unlock() exactly when it is the one that holds mu."""
    return forall(
        Thread,
        lambda t: at(t, *UNDER_LOCK) == all_of(m.mu_held, m.mu_owner == t),
    )


@invariant("read is amended exactly when there is a dirty map")
def amended_iff_dirty() -> Bool:
    """Outside dirtyLocked and promotion, read.amended is true exactly when dirty is not nil."""
    between = owner_at(PC.DIRTY_COPY, PC.AMEND, PC.PROMOTE_DIRTY)
    return all_of(
        implies(~between, m.amended == has_dirty()),
        implies(between, ~m.amended, has_dirty()),
        implies(owner_at(PC.DIRTY_LOCKED), ~has_dirty()),
        implies(owner_at(PC.INSERT_NEW, PC.UNEXPUNGE_INSERT, PC.MISS_LOCKED, PC.PROMOTE_READ), m.amended),
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


@invariant("the entries in use are allocated")
def entries_allocated() -> Bool:
    """An entry that a map in use has, or that a thread holds, is not handed out as a new one."""
    return all_of(
        forall(
            EntryMap,
            Key,
            lambda table, k: implies(
                all_of(table.has[k], in_use(table)), table.entry[k].allocated, ~table.entry[k].detached
            ),
        ),
        forall(Thread, lambda t: implies(holds_entry(t), t.entry.allocated)),
    )


@invariant("an entry never serves two keys")
def key_injective() -> Bool:
    """Each allocated entry was made for one key; maps and threads use it for that key only."""
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
        forall(Thread, lambda t: implies(holds_entry(t), t.entry.serves[t.key])),
    )


@invariant("a promotion loses no key")
def promotion_loses_no_key() -> Bool:
    """An entry that any past or present read map has for a key is expunged, or the newest read has it too."""
    return forall(
        EntryMap,
        Key,
        lambda old, k: implies(
            all_of(old.published, old.has[k], old.entry[k].p != expunged), in_read(k, old.entry[k])
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


@invariant("an entry that only dirty has is live")
def dirty_only_live() -> Bool:
    """A key that dirty has and read has not holds a value: deletes take such keys out of dirty."""
    return forall(
        Key,
        lambda k: implies(all_of(m.dirty.has[k], ~m.read.has[k]), is_value(m.dirty.entry[k].p)),
    )


@invariant("without a dirty map nothing is expunged")
def nothing_expunged_when_clean() -> Bool:
    """When dirty is nil, no entry of read is expunged."""
    return implies(~has_dirty(), forall(Key, lambda k: implies(m.read.has[k], m.read.entry[k].p != expunged)))


@invariant("dirtyLocked copies read key by key")
def copy_progress() -> Bool:
    """During the copy dirty has only keys of read already copied; those not yet copied are not expunged."""
    return implies(
        owner_at(PC.DIRTY_COPY, PC.AMEND),
        forall(Key, lambda k: implies(m.dirty.has[k], k.copied, m.read.has[k])),
        implies(owner_at(PC.AMEND), forall(Key, lambda k: implies(m.read.has[k], k.copied))),
        forall(Key, lambda k: implies(all_of(m.read.has[k], ~k.copied), m.read.entry[k].p != expunged)),
    )


@invariant("misses stay below the length of dirty")
def misses_below_length() -> Bool:
    """With mu free, misses < len(dirty), or dirty is nil and misses is 0; under mu it is off by what is due."""
    return all_of(
        m.misses >= 0,
        implies(all_of(~has_dirty(), ~owner_at(PC.PROMOTE_MISSES)), m.misses == 0),
        implies(all_of(has_dirty(), ~m.mu_held), m.misses < m.dirty.length),
        implies(owner_at(PC.DIRTY_COPY, PC.AMEND), m.misses == 0, m.dirty.length >= 0),
        implies(owner_at(PC.INSERT_NEW, PC.MISS_LOCKED), m.misses <= m.dirty.length),
        implies(
            all_of(
                has_dirty(),
                m.mu_held,
                ~owner_at(
                    PC.DIRTY_COPY, PC.AMEND, PC.INSERT_NEW, PC.MISS_LOCKED, PC.PROMOTE_READ, PC.PROMOTE_DIRTY
                ),
            ),
            m.misses < m.dirty.length,
        ),
    )


@invariant("the map holds what its operations put there")
def contents() -> Bool:
    """The abstract value of a key is its entry's in read, else its entry's in dirty, else the key is absent."""
    return forall(
        Key,
        lambda k: all_of(
            implies(m.read.has[k], k.contents == as_answer(m.read.entry[k].p)),
            implies(all_of(~m.read.has[k], m.dirty.has[k]), k.contents == m.dirty.entry[k].p),
            implies(all_of(~m.read.has[k], ~m.dirty.has[k]), k.contents == nil),
        ),
    )


# ------------------------------------------------------------------------------------------------ the threads


@invariant("a running operation has seen the present value of its key")
def seen_current() -> Bool:
    """What a key holds now is among the values that it held since the call, for every call under way."""
    return forall(Thread, lambda t: implies(t.pc != PC.IDLE, t.seen[t.key.contents]))


@invariant("each place belongs to its operation")
def operation_at_its_place() -> Bool:
    """A thread is only at places of its own operation; a store has taken effect exactly when it is past it."""
    load = (PC.LOAD_READ, PC.LOAD_LOOKUP, PC.LOAD_LOCK, PC.LOAD_RECHECK, PC.ENTRY_LOAD)
    store_paths = (
        *(PC.STORE_READ, PC.STORE_LOOKUP, PC.TRY_SWAP_LOAD, PC.TRY_SWAP_CAS, PC.STORE_LOCK),
        *(PC.STORE_RECHECK, PC.UNEXPUNGE, PC.UNEXPUNGE_INSERT, PC.SWAP_LOCKED),
        *(PC.DIRTY_LOCKED, PC.DIRTY_COPY, PC.AMEND, PC.INSERT_NEW),
    )
    delete_lookup = (PC.DELETE_READ, PC.DELETE_LOOKUP, PC.DELETE_LOCK, PC.DELETE_RECHECK)
    missing = (PC.MISS_LOCKED, PC.PROMOTE_READ, PC.PROMOTE_DIRTY, PC.PROMOTE_MISSES)
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, *load), t.op == Op.LOAD),
            implies(at(t, *store_paths), t.op == Op.STORE, ~t.done),
            implies(at(t, PC.ENTRY_DELETE_LOAD, PC.ENTRY_DELETE_CAS), t.op == Op.DELETE),
            implies(at(t, *delete_lookup), t.op == Op.DELETE, ~t.done),
            implies(at(t, *missing), t.op != Op.STORE),
            implies(all_of(t.op == Op.STORE, at(t, PC.UNLOCK, PC.RETURN)), t.done),
            implies(t.pc != PC.IDLE, is_value(t.value)),
        ),
    )


@invariant("a store writes into an entry that is still the key's own")
def store_locals() -> Bool:
    """The entry that a store holds is expunged or current; under mu it is where the next step expects it."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, PC.LOAD_LOOKUP, PC.STORE_LOOKUP, PC.DELETE_LOOKUP), t.read.published),
            implies(
                at(t, PC.TRY_SWAP_LOAD, PC.TRY_SWAP_CAS),
                ~t.entry.detached,
                any_of(t.entry.p == expunged, in_read(t.key, t.entry)),
            ),
            implies(at(t, PC.TRY_SWAP_CAS), t.loaded != expunged),
            implies(at(t, PC.UNEXPUNGE, PC.UNEXPUNGE_INSERT), in_read(t.key, t.entry)),
            implies(at(t, PC.UNEXPUNGE_INSERT), t.entry.p != expunged, ~m.dirty.has[t.key]),
            implies(
                at(t, PC.SWAP_LOCKED),
                t.entry.p != expunged,
                any_of(in_read(t.key, t.entry), only_in_dirty(t.key, t.entry)),
            ),
            implies(
                at(t, PC.DIRTY_LOCKED, PC.DIRTY_COPY, PC.AMEND, PC.INSERT_NEW),
                ~m.read.has[t.key],
                ~m.dirty.has[t.key],
            ),
        ),
    )


@invariant("what a reader holds can be answered")
def reader_locals() -> Bool:
    """Whatever a load or a delete will find in what it holds, the key had that value during the call."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(
                all_of(at(t, PC.LOAD_LOOKUP, PC.DELETE_LOOKUP), ~t.read.has[t.key], ~t.amended), t.seen[nil]
            ),
            implies(
                all_of(
                    at(t, PC.LOAD_LOOKUP, PC.DELETE_LOOKUP),
                    t.read.has[t.key],
                    t.read.entry[t.key].p == expunged,
                ),
                t.seen[nil],
            ),
            implies(
                all_of(holds_entry_to_answer(t), ~t.entry.detached, t.entry.p != expunged),
                any_of(in_read(t.key, t.entry), all_of(t.op == Op.LOAD, only_in_dirty(t.key, t.entry))),
            ),
            implies(all_of(holds_entry_to_answer(t), ~t.entry.detached, t.entry.p == expunged), t.seen[nil]),
            implies(
                all_of(holds_entry_to_answer(t), t.entry.detached, t.op == Op.LOAD),
                t.entry.p != expunged,
                t.seen[nil],
                t.seen[t.entry.p],
            ),
            implies(found_nothing(t), t.seen[nil]),
        ),
    )


@invariant("an answer that is ready is a right one")
def answer_ready() -> Bool:
    """A load about to return has seen its result; a delete has taken it, or has seen the key absent."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(all_of(t.op == Op.LOAD, at(t, PC.RETURN)), t.seen[t.result]),
            implies(all_of(t.op == Op.DELETE, at(t, PC.RETURN), t.result == nil), ~t.done, t.seen[nil]),
            implies(
                all_of(t.op == Op.DELETE, at(t, PC.RETURN), t.result != nil), t.done, t.result == t.taken
            ),
        ),
    )


def _owns_detached(t: Thread) -> Bool:
    return all_of(holds_entry_to_answer(t), t.op == Op.DELETE, t.done)


@invariant("a delete that unlinked a key from dirty owns the detached entry")
def delete_locals() -> Bool:
    """The entry that a delete took out of dirty still has the value that it removed, and no other delete it."""
    return all_of(
        forall(
            Thread,
            lambda t: all_of(
                implies(_owns_detached(t), t.entry.detached, t.entry.p == t.taken, is_value(t.taken)),
                implies(all_of(holds_entry_to_answer(t), t.op == Op.DELETE, ~t.done), ~t.entry.detached),
                implies(at(t, PC.ENTRY_DELETE_CAS), is_value(t.loaded)),
                implies(all_of(t.op == Op.DELETE, found_nothing(t)), ~t.done),
            ),
        ),
        forall(
            Thread,
            Thread,
            lambda t, u: implies(all_of(_owns_detached(t), _owns_detached(u), t.entry == u.entry), t == u),
        ),
    )


INVARIANT = invariants_in(globals())
