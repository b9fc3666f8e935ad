"""What is true of each thread in Go's sync.Map: what the pointers are worth that it took some time ago.

The idea: an operation takes an entry from a map and looks into it later, when the map may have moved on. The
statements here say for every such place what the entry can be by then (the map's own, expunged, taken out of
dirty, cleared), and that whatever will be found in it may be answered. What the answers rest on is here.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.calls import rules, stores
from mapproof.proofs.systems.sync_map.invariant import in_read, only_in_dirty
from mapproof.proofs.systems.sync_map.parts import (
    AFTER_LOOKUP,
    ANSWERED_AFTER_UNLOCK,
    at,
    collects,
    does,
    equals,
    holds_mu,
    is_value,
)
from mapproof.proofs.systems.sync_map.state import PC, Entry, Op, Thread, expunged, m, nil
from mapproof.proofs.terms import Bool, If, all_of, any_of, forall, implies
from mapproof.proofs.transition_system import invariant, invariants_in

TRY_SWAP = (PC.TRY_SWAP_LOAD, PC.TRY_SWAP_CAS)
TRY_LOAD_OR_STORE = (PC.TRY_LOAD_OR_STORE_LOAD, PC.TRY_LOAD_OR_STORE_CAS)
TRY_COMPARE_AND_SWAP = (PC.TRY_COMPARE_AND_SWAP_LOAD, PC.TRY_COMPARE_AND_SWAP_CAS)
COMPARE_AND_DELETE = (PC.COMPARE_AND_DELETE_LOAD, PC.COMPARE_AND_DELETE_CAS)
DELETE = (PC.DELETE_LOAD, PC.DELETE_CAS)
STORE_LOCKED = (PC.UNEXPUNGE, PC.UNEXPUNGE_INSERT, PC.SWAP_LOCKED)
NEW_KEY = (PC.DIRTY_LOCKED, PC.DIRTY_COPY, PC.TRY_EXPUNGE, PC.AMEND, PC.INSERT_NEW)
CLEARING = (PC.CLEAR_READ, PC.CLEAR_DIRTY, PC.CLEAR_MISSES)

EITHER_WAY = (*TRY_LOAD_OR_STORE, *TRY_COMPARE_AND_SWAP)
"""Places both before the lock and under it."""

UNDER_LOCK = (PC.RECHECK, *STORE_LOCKED, *NEW_KEY, *AFTER_LOOKUP, *CLEARING)
AT_ENTRY = (PC.ENTRY_LOAD, *TRY_SWAP, *EITHER_WAY, *COMPARE_AND_DELETE, *DELETE, *STORE_LOCKED)

# ------------------------------------------------------------------------------------------------ vocabulary


def holds_entry(t: Thread) -> Bool:
    """The operation has its entry, and will look into it."""
    return any_of(at(t, *AT_ENTRY), all_of(t.found, at(t, *AFTER_LOOKUP)))


def will_use(t: Thread) -> Bool:
    """The operation has its entry, or will find it in the read map that it loaded."""
    return any_of(holds_entry(t), all_of(t.pc == PC.LOOKUP, t.read.has[t.key]))


def its_entry(t: Thread) -> Entry:
    """The entry that the operation has or will find, when it will use one."""
    return If(t.pc == PC.LOOKUP, t.read.entry[t.key], t.entry)


def answer_is_ready(t: Thread) -> Bool:
    """Nothing is left to do but to tidy up and to return."""
    tidying = (*AFTER_LOOKUP, PC.CLEAR_DIRTY, PC.CLEAR_MISSES)
    under_lock = does(t, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP, Op.CLEAR)
    return any_of(t.pc == PC.RETURN, all_of(under_lock, at(t, *tidying)))


# ------------------------------------------------------------------------------------------------ places


@invariant("only the holder of mu is between Lock and Unlock")
def lock_owner() -> Bool:
    """A thread is between m.mu.Lock() and m.mu.Unlock() only when it is the one that holds mu."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, *UNDER_LOCK), holds_mu(t)),
            implies(~at(t, *UNDER_LOCK, *EITHER_WAY), ~holds_mu(t)),
        ),
    )


@invariant("each place belongs to its operations")
def operation_at_its_place() -> Bool:
    """A thread is only at places of its own operation, and has a value to store if that needs one."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, PC.ENTRY_LOAD), does(t, Op.LOAD, Op.RANGE)),
            implies(at(t, *TRY_SWAP, PC.SWAP_LOCKED), does(t, Op.SWAP)),
            implies(at(t, *TRY_LOAD_OR_STORE), does(t, Op.LOAD_OR_STORE)),
            implies(at(t, *TRY_COMPARE_AND_SWAP), does(t, Op.COMPARE_AND_SWAP)),
            implies(at(t, *COMPARE_AND_DELETE), does(t, Op.COMPARE_AND_DELETE)),
            implies(at(t, *DELETE), does(t, Op.LOAD_AND_DELETE)),
            implies(at(t, PC.UNEXPUNGE, PC.UNEXPUNGE_INSERT, *NEW_KEY), does(t, Op.SWAP, Op.LOAD_OR_STORE)),
            implies(at(t, *CLEARING), does(t, Op.CLEAR)),
            implies(at(t, PC.LOOKUP), ~does(t, Op.CLEAR)),
            implies(at(t, PC.MISS_LOCKED), ~does(t, Op.SWAP, Op.RANGE, Op.CLEAR)),
            implies(at(t, *AFTER_LOOKUP[1:4]), ~does(t, Op.SWAP, Op.CLEAR)),
            implies(at(t, PC.READ, PC.LOOKUP, PC.LOCK, PC.RECHECK), ~t.found),
            implies(
                all_of(t.in_dirty, ~at(t, PC.RETURN, PC.IDLE)),
                does(t, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP),
                holds_mu(t),
                ~at(t, PC.RECHECK, PC.UNEXPUNGE, PC.UNEXPUNGE_INSERT),
            ),
            implies(all_of(t.found, t.pc != PC.IDLE), does(t, *ANSWERED_AFTER_UNLOCK)),
            implies(t.pc != PC.IDLE, If(stores(t.op), is_value(t.value), t.value == nil)),
        ),
    )


@invariant("under the lock a store has an entry of the map")
def store_locals() -> Bool:
    """Under mu an operation that writes its entry has one that is in a map now, or has found that there is none."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, PC.UNEXPUNGE, PC.UNEXPUNGE_INSERT), in_read(t.key, t.entry)),
            implies(at(t, PC.UNEXPUNGE_INSERT), ~m.dirty.has[t.key]),
            implies(
                all_of(at(t, PC.SWAP_LOCKED, *EITHER_WAY), holds_mu(t)),
                any_of(in_read(t.key, t.entry), only_in_dirty(t.key, t.entry)),
                implies(t.in_dirty, m.amended),
            ),
            implies(
                any_of(
                    at(t, PC.UNEXPUNGE_INSERT, PC.SWAP_LOCKED),
                    all_of(at(t, *TRY_LOAD_OR_STORE), holds_mu(t)),
                ),
                t.entry.p != expunged,
            ),
            implies(at(t, *NEW_KEY), ~m.read.has[t.key], ~m.dirty.has[t.key]),
        ),
    )


@invariant("a range goes over a read map that was whole")
def range_locals() -> Bool:
    """The read map that a range goes over was read.m, not amended, during the call."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, PC.LOOKUP), t.read.published),
            implies(all_of(does(t, Op.RANGE), at(t, PC.LOOKUP)), ~t.amended),
            implies(
                all_of(does(t, Op.RANGE), at(t, PC.PROMOTE_DIRTY, PC.PROMOTE_MISSES, PC.UNLOCK)),
                t.read == m.read,
                ~m.amended,
                ~t.amended,
            ),
        ),
    )


@invariant("what was compared is what will be replaced")
def loaded_locals() -> Bool:
    """Between its load and its compare-and-swap an operation remembers a pointer that it may replace."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, PC.TRY_SWAP_CAS), t.loaded != expunged),
            implies(at(t, PC.DELETE_CAS), is_value(t.loaded)),
            implies(
                at(t, PC.TRY_COMPARE_AND_SWAP_CAS, PC.COMPARE_AND_DELETE_CAS),
                equals(t.loaded, t.old),
            ),
        ),
    )


# ------------------------------------------------------------------------------------------------ what was seen


@invariant("a running operation has seen the present value of its key")
def seen_current() -> Bool:
    """What a key holds now is among the values that it held since the call, for every call under way."""
    return forall(Thread, lambda t: implies(t.pc != PC.IDLE, t.seen[t.key.contents]))


@invariant("who finds no entry has seen the key absent")
def absent_seen() -> Bool:
    """Where an operation has no entry and will look no further, its key was absent at some moment of the call."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(all_of(t.pc == PC.LOOKUP, ~t.read.has[t.key], ~t.amended), t.seen[nil]),
            implies(all_of(does(t, *ANSWERED_AFTER_UNLOCK), ~t.found, at(t, *AFTER_LOOKUP)), t.seen[nil]),
        ),
    )


# ------------------------------------------------------------------------------------------------ held entries


@invariant("an operation uses an entry of its own key")
def held_serves() -> Bool:
    """The entry that an operation has was allocated, and made for the key of the operation."""
    return forall(Thread, lambda t: implies(holds_entry(t), t.entry.allocated, t.entry.serves[t.key]))


@invariant("an entry that can be written is still the key's own")
def held_current() -> Bool:
    """The entry that an operation has is expunged, cut off, or in read; who takes none out of dirty may have it there."""
    return forall(
        Thread,
        lambda t: implies(
            all_of(holds_entry(t), t.entry.p != expunged, ~t.entry.cleared, ~t.entry.detached),
            any_of(
                in_read(t.key, t.entry),
                all_of(
                    only_in_dirty(t.key, t.entry),
                    any_of(
                        does(t, Op.LOAD, Op.COMPARE_AND_DELETE),
                        all_of(holds_mu(t), ~does(t, Op.LOAD_AND_DELETE)),
                    ),
                ),
            ),
        ),
    )


@invariant("who uses an expunged entry has seen the key absent")
def held_expunged() -> Bool:
    """Whoever will find an entry expunged is in a call during which its key was absent."""
    return forall(Thread, lambda t: implies(all_of(will_use(t), its_entry(t).p == expunged), t.seen[nil]))


@invariant("who uses a cleared entry was under way at the Clear")
def held_cleared() -> Bool:
    """A cleared entry that can be written is used only by calls that the Clear overlaps, which saw what is in it."""
    return forall(
        Thread,
        lambda t: implies(
            all_of(will_use(t), its_entry(t).cleared, its_entry(t).p != expunged),
            t.overlaps[its_entry(t)],
            t.seen[its_entry(t).p],
        ),
    )


@invariant("an entry taken out of dirty is only read or emptied")
def held_detached() -> Bool:
    """Who has an entry that was taken out of dirty saw the key absent, and what is in the entry; none will fill it."""
    return forall(
        Thread,
        lambda t: implies(
            all_of(holds_entry(t), t.entry.detached),
            does(t, *ANSWERED_AFTER_UNLOCK),
            t.entry.p != expunged,
            t.seen[nil],
            t.seen[t.entry.p],
        ),
    )


# ------------------------------------------------------------------------------------------------ answers


@invariant("before its answer an operation has done nothing, but for a removal to collect")
def not_yet_done() -> Bool:
    """Until its answer is ready an operation has no result, and took no effect; a delete may have to collect one."""
    return forall(
        Thread,
        lambda t: implies(
            all_of(t.pc != PC.IDLE, ~answer_is_ready(t)),
            t.result == nil,
            ~t.ok,
            implies(t.done, collects(t, t.entry)),
            implies(
                collects(t, t.entry),
                If(t.done, all_of(is_value(t.taken), t.entry.p == t.taken), t.entry.p == nil),
            ),
        ),
    )


@invariant("an answer that is ready is a right one")
def answer_ready() -> Bool:
    """Each operation whose answer is ready may give it."""
    return forall(Thread, lambda t: implies(answer_is_ready(t), *rules(t).values()))


THREAD_INVARIANT = invariants_in(globals())
