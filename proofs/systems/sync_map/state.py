"""The state of Go's sync.Map (Go 1.9 to 1.23), in the names of its source, at the grain of atomic steps.

The idea: Go's maps are objects that the fields `read` and `dirty` point to, so that a promotion is the
assignment of a pointer, as in Go, and what a thread still holds from an old `read` is there to go wrong.
Sorts are unbounded: any number of keys, values, entries, maps and threads. Fields marked `ghost` are not in
the code: they record what the abstract map holds and what a thread may rightly answer.

Where a thread is (`PC`), and the line of `impl/sync_map.py` that it runs next:

    READ                        read = self._load_read_only(), the first line of every method; Clear: .is_empty()
    LOOKUP                      read.m.get(key); Range: the loop over read.m.items(), at the key that we watch
    LOCK                        with self.mu
    RECHECK                     under mu: read = self._load_read_only(), the lookups in read.m and in dirty,
                                LoadAndDelete's dirty.pop(key), Clear's second .is_empty()
    ENTRY_LOAD                  Entry.load, and _pairs: p = entry.p.load()
    TRY_SWAP_LOAD, _CAS         Entry.try_swap: p.load(), p.compare_and_swap(p, box)
    TRY_LOAD_OR_STORE_LOAD, _CAS        Entry.try_load_or_store; under mu or not
    TRY_COMPARE_AND_SWAP_LOAD, _CAS     Entry.try_compare_and_swap; under mu or not
    COMPARE_AND_DELETE_LOAD, _CAS       Entry.compare_and_delete
    DELETE_LOAD, _CAS           Entry.delete
    UNEXPUNGE                   Entry.unexpunge_locked: p.compare_and_swap(EXPUNGED, None)
    UNEXPUNGE_INSERT            _unexpunge_locked: dirty[key] = entry
    SWAP_LOCKED                 Entry.swap_locked: p.swap(box)
    DIRTY_LOCKED                _dirty_locked: if self.dirty is not None; self.dirty.write(dirty)
    DIRTY_COPY                  _copy_read_locked: the next key of read.m, Entry.try_expunge_locked: p.load();
                                for a live p also dirty[key] = entry
    TRY_EXPUNGE                 Entry.try_expunge_locked: p.compare_and_swap(None, EXPUNGED)
    AMEND                       _insert_locked: self.read.store(ReadOnly(read.m, amended=True))
    INSERT_NEW                  _insert_locked: dirty[key] = Entry(box)
    MISS_LOCKED                 _miss_locked: misses.read(), misses.write(misses + 1), should_promote
    PROMOTE_READ                _promote_locked: self.read.store(ReadOnly(dirty, amended=False))
    PROMOTE_DIRTY               _promote_locked: self.dirty.write(None)
    PROMOTE_MISSES              _promote_locked: self.misses.write(0)
    CLEAR_READ                  clear: self.read.store(ReadOnly({}, amended=False))
    CLEAR_DIRTY                 clear: dirty = self.dirty.read(); dirty.clear()
    CLEAR_MISSES                clear: self.misses.write(0)
    UNLOCK                      the end of the with block
    RETURN                      return
"""

from __future__ import annotations

from mapproof.proofs.terms import Bool, Enumeration, Field, Globals, Int, Sort, Table


class Value(Sort, prefix="x"):
    """A value of the map, as CompareAndSwap compares it."""


class Pointer(Sort, prefix="v"):
    """What the atomic pointer of an entry can be: nil, expunged, or the address of a value."""

    value = Field(
        Value
    )  # what stands at the address; never written, and without meaning for nil and expunged


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
    detached = Field(Bool, ghost=True)  # a LoadAndDelete has taken it out of dirty
    cleared = Field(Bool, ghost=True)  # it was there when a Clear took effect
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
    SWAP: Op  # Store calls it, and drops its result
    LOAD_OR_STORE: Op
    LOAD_AND_DELETE: Op  # Delete calls it, and drops its result
    COMPARE_AND_SWAP: Op
    COMPARE_AND_DELETE: Op
    RANGE: Op  # as far as it concerns one key, any key
    CLEAR: Op


class PC(Enumeration):
    """What a thread does next."""

    IDLE: PC
    # finding the entry
    READ: PC
    LOOKUP: PC
    LOCK: PC
    RECHECK: PC
    # the entry
    ENTRY_LOAD: PC
    TRY_SWAP_LOAD: PC
    TRY_SWAP_CAS: PC
    TRY_LOAD_OR_STORE_LOAD: PC
    TRY_LOAD_OR_STORE_CAS: PC
    TRY_COMPARE_AND_SWAP_LOAD: PC
    TRY_COMPARE_AND_SWAP_CAS: PC
    COMPARE_AND_DELETE_LOAD: PC
    COMPARE_AND_DELETE_CAS: PC
    DELETE_LOAD: PC
    DELETE_CAS: PC
    UNEXPUNGE: PC
    UNEXPUNGE_INSERT: PC
    SWAP_LOCKED: PC
    # a new key
    DIRTY_LOCKED: PC
    DIRTY_COPY: PC
    TRY_EXPUNGE: PC
    AMEND: PC
    INSERT_NEW: PC
    # promotion
    MISS_LOCKED: PC
    PROMOTE_READ: PC
    PROMOTE_DIRTY: PC
    PROMOTE_MISSES: PC
    # Clear
    CLEAR_READ: PC
    CLEAR_DIRTY: PC
    CLEAR_MISSES: PC
    # the end
    UNLOCK: PC
    RETURN: PC


class Thread(Sort):
    """A goroutine and its local variables."""

    pc = Field(PC)
    op = Field(Op)
    key = Field(Key)  # for Range, the key that we watch; for Clear, any
    value = Field(Pointer)  # what the operation stores
    old = Field(Value)  # what CompareAndSwap and CompareAndDelete compare with
    read = Field(EntryMap)  # read.m as this thread loaded it
    amended = Field(Bool)  # read.amended as this thread loaded it
    entry = Field(Entry)
    found = Field(Bool)  # the entry was found under the lock, and is looked into after Unlock
    in_dirty = Field(Bool)  # the entry was found in dirty, and is used under the lock
    copying = Field(Key)  # the key at which the loop of dirtyLocked is
    loaded = Field(Pointer)  # p, as loaded before a compare-and-swap
    result = Field(
        Pointer
    )  # the value answered, nil for none; after a comparison that failed, what was compared
    ok = Field(Bool)  # LoadOrStore's loaded, CompareAndSwap's swapped, CompareAndDelete's deleted
    seen = Table(Pointer, Bool, ghost=True)  # the key has held this at some moment of the call
    done = Field(Bool, ghost=True)  # the operation has taken effect on the abstract map
    taken = Field(Pointer, ghost=True)  # what the abstract map held just before it took effect
    overlaps = Table(Entry, Bool, ghost=True)  # the call was under way when a Clear took effect on this entry


class SyncMap(Globals, prefix="m"):
    """The fields of sync.Map; mu is spelled out as whether it is held and by whom."""

    read = Field(EntryMap)  # read.m
    amended = Field(Bool)  # read.amended
    dirty = Field(EntryMap)
    misses = Field(Int)
    mu_held = Field(Bool)
    mu_owner = Field(Thread)


m = SyncMap()

STATE = (Value, Pointer, Key, Entry, EntryMap, Thread, SyncMap)
