"""The state of Go's sync.Map (Go 1.9 to 1.23), in the names of its source, at the grain of atomic steps.

The idea: Go's maps are objects that the fields `read` and `dirty` point to, so that a promotion is the
assignment of a pointer, as in Go, and what a thread still holds from an old `read` is there to go wrong.
Sorts are unbounded: any number of keys, values, entries, maps and threads. Fields marked `ghost` are not in
the code: they record what the abstract map holds and what a thread may rightly answer.
"""

from __future__ import annotations

from mapproof.proofs.terms import Bool, Enumeration, Field, Globals, Int, Sort, Table


class Pointer(Sort, prefix="v"):
    """What the atomic pointer of an entry can be: nil, expunged, or the address of a value."""


nil = Pointer.element("nil")
expunged = Pointer.element("expunged")


class Key(Sort):
    """A key of the map."""

    copied = Field(Bool)  # dirtyLocked's loop over read.m has been at this key
    contents = Field(Pointer, ghost=True)  # what the abstract map holds for the key; nil when absent


class Entry(Sort):
    """An *entry: the cell that read and dirty share."""

    p = Field(Pointer)
    allocated = Field(Bool)
    detached = Field(Bool, ghost=True)  # a delete has taken it out of dirty
    serves = Table(Key, Bool, ghost=True)  # the key that it was made for


class EntryMap(Sort, prefix="map"):
    """A Go map from keys to *entry, as read.m and dirty are."""

    allocated = Field(Bool)
    has = Table(Key, Bool)
    entry = Table(Key, Entry)
    length = Field(Int)  # len(m), counted at each insertion and removal
    published = Field(Bool, ghost=True)  # it is, or was, read.m


nil_map = EntryMap.element("nil")
first_map = EntryMap.element("map0")  # the empty read.m that a new sync.Map starts with


class Op(Enumeration):
    """The operation that a thread is in."""

    LOAD: Op
    STORE: Op
    DELETE: Op  # LoadAndDelete; Delete is the same without its result


class PC(Enumeration):
    """What a thread does next."""

    IDLE: PC
    # Load
    LOAD_READ: PC
    LOAD_LOOKUP: PC
    LOAD_LOCK: PC
    LOAD_RECHECK: PC
    ENTRY_LOAD: PC
    # Store
    STORE_READ: PC
    STORE_LOOKUP: PC
    TRY_SWAP_LOAD: PC
    TRY_SWAP_CAS: PC
    STORE_LOCK: PC
    STORE_RECHECK: PC
    UNEXPUNGE: PC
    UNEXPUNGE_INSERT: PC
    SWAP_LOCKED: PC
    DIRTY_LOCKED: PC
    DIRTY_COPY: PC
    AMEND: PC
    INSERT_NEW: PC
    # LoadAndDelete
    DELETE_READ: PC
    DELETE_LOOKUP: PC
    DELETE_LOCK: PC
    DELETE_RECHECK: PC
    ENTRY_DELETE_LOAD: PC
    ENTRY_DELETE_CAS: PC
    # missLocked, Unlock, return
    MISS_LOCKED: PC
    PROMOTE_READ: PC
    PROMOTE_DIRTY: PC
    PROMOTE_MISSES: PC
    UNLOCK: PC
    RETURN: PC


class Thread(Sort):
    """A goroutine and its local variables."""

    pc = Field(PC)
    op = Field(Op)
    key = Field(Key)
    value = Field(Pointer)  # what Store stores
    read = Field(EntryMap)  # read.m as this thread loaded it
    amended = Field(Bool)  # read.amended as this thread loaded it
    entry = Field(Entry)
    found = Field(Bool)  # ok, after the lookup under the lock
    loaded = Field(Pointer)  # p, as loaded before a compare-and-swap
    result = Field(Pointer)  # nil when the key is absent
    seen = Table(Pointer, Bool, ghost=True)  # the key has held this at some moment of the call
    done = Field(Bool, ghost=True)  # the operation has taken effect on the abstract map
    taken = Field(Pointer, ghost=True)  # what the abstract map held when this delete took effect


class SyncMap(Globals, prefix="m"):
    """The fields of sync.Map; mu is spelled out as whether it is held and by whom."""

    read = Field(EntryMap)  # read.m
    amended = Field(Bool)  # read.amended
    dirty = Field(EntryMap)
    misses = Field(Int)
    mu_held = Field(Bool)
    mu_owner = Field(Thread)


m = SyncMap()

STATE = (Pointer, Key, Entry, EntryMap, Thread, SyncMap)
