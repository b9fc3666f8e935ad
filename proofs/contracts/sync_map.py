"""Contracts of what impl/sync_map.py does under its lock: misses, promotion, the copy of read to dirty, un-expunging.

The idea: the methods are those of the map that is in use, called on maps of one key or two that are built here out of
a few symbolic numbers. So nothing has to be factored out of the map, and nothing stands between it and its contract.
"""

from __future__ import annotations

from typing import NamedTuple

from mapproof.impl.sync import PlainDict
from mapproof.impl.sync_map import EXPUNGED, Box, Entry, ReadOnly, SyncMap, should_promote

LIVE, NIL, GONE = 0, 1, 2
"""What the pointer of an entry is: a value, nil, or expunged."""

_KEY, _OTHER, _NEW = "key", "other", "new"


def entry_of(pointer: int) -> Entry[int]:
    """An entry that holds a value, nil or expunged."""
    entry = Entry(Box(7))
    if pointer != LIVE:
        entry.p.store(None if pointer == NIL else EXPUNGED)
    return entry


def pointer_of(entry: Entry[int]) -> int:
    """What the entry holds; -1 for a value that is not the one it was made with."""
    p = entry.p.load()
    if p is None or p is EXPUNGED:
        return NIL if p is None else GONE
    return LIVE if p.value == 7 else -1


def map_of(
    read: dict[str, Entry[int]], dirty: dict[str, Entry[int]] | None = None, misses: int = 0
) -> SyncMap[str, int]:
    """A map with these entries; amended if there is a dirty."""
    made = SyncMap[str, int]()
    made.read.store(ReadOnly(_plain(read), amended=dirty is not None))
    made.dirty.write(None if dirty is None else _plain(dirty))
    made.misses.write(misses)
    return made


def _plain(entries: dict[str, Entry[int]]) -> PlainDict[str, Entry[int]]:
    made: PlainDict[str, Entry[int]] = PlainDict("entries")
    for key, entry in entries.items():
        made[key] = entry
    return made


# ------------------------------------------------------------------------------------------------ promotion


def threshold(misses: int, dirty_len: int) -> bool:
    """After a miss, misses counted, the map promotes, or misses stays below len(dirty).

    The first condition is what the invariant of sync.Map says there: misses was at most len(dirty).

    pre: 1 <= misses <= dirty_len + 1
    post: __return__ or misses < dirty_len
    post: not __return__ or misses >= dirty_len
    """
    return should_promote(misses, dirty_len)


class Missed(NamedTuple):
    """A map after a miss."""

    misses: int
    promoted: bool


def miss(misses: int, dirty_keys: int) -> Missed:
    """A miss is counted, or it is the one that promotes, and the count starts anew.

    pre: 0 <= misses < dirty_keys <= 3
    post: __return__.promoted == (misses + 1 == dirty_keys)
    post: __return__.misses == (0 if __return__.promoted else misses + 1)
    """
    made = map_of({}, {f"key{number}": entry_of(LIVE) for number in range(dirty_keys)}, misses)
    made._miss_locked()
    return Missed(made.misses.read(), made.dirty.read() is None)


class Promoted(NamedTuple):
    """A map after a promotion: what read has, and what is left of the rest."""

    has_key: bool
    same_entry: bool
    has_new_key: bool
    amended: bool
    has_dirty: bool
    misses: int


def promotion(in_read: bool, expunged: bool, misses: int) -> Promoted:
    """Read is then what dirty was: every key of dirty with its entry, new ones included, and no expunged one.

    pre: 0 <= misses
    post: __return__.has_key == (in_read and not expunged)
    post: __return__.same_entry or not __return__.has_key
    post: __return__.has_new_key
    post: not __return__.amended and not __return__.has_dirty and __return__.misses == 0
    """
    entry = entry_of(GONE if expunged else LIVE)
    dirty = {_NEW: entry_of(LIVE)}
    if in_read and not expunged:
        dirty[_KEY] = entry
    made = map_of({_KEY: entry} if in_read else {}, dirty, misses)
    made._promote_locked()
    read = made.read.load()
    return Promoted(
        read.m.get(_KEY) is not None,
        read.m.get(_KEY) is entry,
        read.m.get(_NEW) is dirty[_NEW],
        read.amended,
        made.dirty.read() is not None,
        made.misses.read(),
    )


# ------------------------------------------------------------------------------------------------ the copy


class Expunging(NamedTuple):
    """An entry after the copy of read has been at it."""

    expunged: bool
    pointer: int


def copy_of_one_entry(pointer: int) -> Expunging:
    """A deleted entry becomes expunged, and is told to be; any other stays what it is.

    pre: 0 <= pointer <= 2
    post: __return__.expunged == (pointer != 0)
    post: __return__.pointer == (0 if pointer == 0 else 2)
    """
    entry = entry_of(pointer)
    return Expunging(entry.try_expunge_locked(), pointer_of(entry))


class Copied(NamedTuple):
    """One key after read was copied to dirty."""

    in_dirty: bool
    same_entry: bool
    in_read: bool
    pointer: int


def copy_of_read(pointer: int, other: int) -> tuple[Copied, Copied]:
    """Dirty gets the live keys, with their entries, and no others; deleted ones are expunged; read keeps all.

    pre: 0 <= pointer <= 1 and 0 <= other <= 1
    post: __return__[0] == (pointer == 0, pointer == 0, True, 0 if pointer == 0 else 2)
    post: __return__[1] == (other == 0, other == 0, True, 0 if other == 0 else 2)
    """
    entries = {_KEY: entry_of(pointer), _OTHER: entry_of(other)}
    made = map_of(entries)
    made._dirty_locked()
    return _copied(made, _KEY, entries[_KEY]), _copied(made, _OTHER, entries[_OTHER])


def _copied(made: SyncMap[str, int], key: str, entry: Entry[int]) -> Copied:
    dirty = made.dirty.read()
    found = None if dirty is None else dirty.get(key)
    return Copied(found is not None, found is entry, made.read.load().m.get(key) is entry, pointer_of(entry))


class Inserted(NamedTuple):
    """A map after the first new key since a promotion."""

    amended: bool
    in_read: bool
    in_dirty: bool
    old_in_dirty: bool


def insertion(pointer: int, amended: bool) -> Inserted:
    """A new key is in dirty alone, read says so, and dirty has the live keys of read besides.

    pre: 0 <= pointer <= 1
    post: __return__ == (True, False, True, pointer == 0)
    """
    entry = entry_of(pointer)
    made = map_of({_KEY: entry})
    if amended:
        made._insert_locked(made.read.load(), _OTHER, Box(7))
    made._insert_locked(made.read.load(), _NEW, Box(7))
    read, dirty = made.read.load(), made.dirty.read()
    assert dirty is not None
    new = dirty.get(_NEW)
    return Inserted(
        read.amended,
        read.m.get(_NEW) is not None,
        new is not None and pointer_of(new) == LIVE,
        dirty.get(_KEY) is entry,
    )


def unexpunging(pointer: int) -> tuple[int, bool]:
    """An expunged entry is deleted instead, and back in dirty; any other stays as it is, and dirty too.

    pre: 0 <= pointer <= 2
    post: __return__ == (1 if pointer == 2 else pointer, pointer == 2)
    """
    entry = entry_of(pointer)
    made = map_of({_KEY: entry}, {_NEW: entry_of(LIVE)})
    made._unexpunge_locked(_KEY, entry)
    dirty = made.dirty.read()
    return pointer_of(entry), dirty is not None and dirty.get(_KEY) is entry
