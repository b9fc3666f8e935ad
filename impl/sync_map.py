"""Go's sync.Map as it was up to Go 1.23 (src/sync/map.go): a map that reads without a lock.

The idea: there are two dictionaries that share their entries. `read` is an immutable record whose key set never
changes, so anybody may look in it without a lock; `dirty` also holds the keys that came later, and is guarded
by `mu`. A reader that has to look in `dirty` counts a miss; when the misses have paid for a copy, `dirty` is
promoted to be the next `read`. A key is deleted by emptying its entry, so a deletion needs no lock either.

An entry's pointer `p` is a Box (live), None (deleted; if there is a `dirty`, the entry is still in it) or
EXPUNGED (deleted, and not in `dirty`, which exists). These hold whenever `mu` is free (`sync_map_invariants`
checks what a state can show of them, and what a step can):

    I1  not amended: every key of the map is in read.m (`dirty` is None or, after a `clear`, empty)
    I2  amended: there is a `dirty`, and it holds every entry of read.m that is not expunged
    I3  p is EXPUNGED: there is a `dirty`, and it has no such key
    I4  p is None: there is no `dirty`, or it holds this very entry
    I5  the key set of a published read.m never changes
    I6  EXPUNGED is entered from None only and left only under mu, with the entry put back into `dirty`
    I7  misses < len(dirty), or misses is 0

"LP" in a docstring is the linearization point: the one access at which the operation takes effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final, Generic, TypeAlias, TypeVar, overload

from mapproof.impl.sync import Atomic, Mutex, Plain, PlainDict
from mapproof.impl.sync_map_invariants import StepInvariants, check_at_rest
from mapproof.spec.claims import Claims, Contract

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, eq=False)
class Box(Generic[V]):
    """A value at an address of its own: two boxes are the same only if they are one object, as pointers are."""

    value: V


class Expunged(Enum):
    """The type of the one sentinel `EXPUNGED`."""

    EXPUNGED = "expunged"


EXPUNGED: Final = Expunged.EXPUNGED

Pointer: TypeAlias = Box[V] | Expunged | None


class Entry(Generic[V]):
    """The slot of one key, shared by read.m and dirty. Methods named `_locked` need the map's `mu`."""

    __slots__ = ("p",)

    def __init__(self, box: Box[V]) -> None:
        self.p: Atomic[Pointer[V]] = Atomic(box, "entry.p")

    def load(self) -> tuple[V | None, bool]:
        return _found(self.p.load())

    def try_compare_and_swap(self, old: V, new: V) -> bool:
        """Replace a live value that equals `old`; False if it does not, or is not there."""
        box = Box(new)
        while _holds(p := self.p.load(), old):
            if self.p.compare_and_swap(p, box):
                return True
        return False

    def compare_and_delete(self, old: V) -> bool:
        """Empty the entry if its live value equals `old` (Go writes this loop inside Map.CompareAndDelete)."""
        while _holds(p := self.p.load(), old):
            if self.p.compare_and_swap(p, None):
                return True
        return False

    def try_load_or_store(self, value: V) -> tuple[V, bool] | None:
        """`(actual, loaded)`, or None if the entry is expunged."""
        box = Box(value)
        while (p := self.p.load()) is None:
            if self.p.compare_and_swap(None, box):
                return value, False
        return None if p is EXPUNGED else (p.value, True)

    def try_swap(self, box: Box[V]) -> tuple[Pointer[V], bool]:
        """`(previous, True)`, or `(None, False)` if the entry is expunged."""
        while (p := self.p.load()) is not EXPUNGED:
            if self.p.compare_and_swap(p, box):
                return p, True
        return None, False

    def swap_locked(self, box: Box[V]) -> Pointer[V]:
        """Store unconditionally; the entry must be known not to be expunged."""
        return self.p.swap(box)

    def unexpunge_locked(self) -> bool:
        """Make an expunged entry a deleted one; if True, the caller must put it into dirty before unlocking."""
        return self.p.compare_and_swap(EXPUNGED, None)

    def try_expunge_locked(self) -> bool:
        """Make a deleted entry an expunged one; whether it is expunged now."""
        while (p := self.p.load()) is None:
            if self.p.compare_and_swap(None, EXPUNGED):
                return True
        return p is EXPUNGED

    def delete(self) -> tuple[V | None, bool]:
        """Empty the entry; what it held."""
        while isinstance(p := self.p.load(), Box):
            if self.p.compare_and_swap(p, None):
                return p.value, True
        return None, False


@dataclass(frozen=True, slots=True, eq=False)
class ReadOnly(Generic[K, V]):
    """The record that readers see. `amended`: dirty holds some key that `m` does not."""

    m: PlainDict[K, Entry[V]]
    amended: bool

    def is_empty(self) -> bool:
        """Whether the map has no key."""
        return len(self.m) == 0 and not self.amended


def should_promote(misses: int, dirty_len: int) -> bool:
    """Whether `misses` lookups have paid for copying the `dirty_len` keys of dirty."""
    return misses >= dirty_len


class SyncMap(Generic[K, V]):
    """A concurrent map, usable from any number of threads without further locks.

    Keys are told apart as a dict does, values by `==` (so `1`, `1.0` and `True` are one key, or one old value).
    A key or a value that calls the map from its `__eq__`, `__hash__` or `__del__` may deadlock, as these may run while
    `mu` is held. A key must go on being hashable and comparable while it is in the map.
    """

    __slots__ = ("dirty", "misses", "mu", "read")

    claims: ClassVar[Claims] = Claims(range=Contract.PER_KEY, clear=Contract.ATOMIC)

    def __init__(self) -> None:
        self.mu = Mutex("mu")
        self.read: Atomic[ReadOnly[K, V]] = Atomic(ReadOnly(PlainDict("entries"), amended=False), "read")
        self.dirty: Plain[PlainDict[K, Entry[V]] | None] = Plain(None, "dirty")
        self.misses = Plain(0, "misses")

    def load(self, key: K) -> tuple[V | None, bool]:
        """`(value, True)` or `(None, False)`. Counts a miss whenever it looks in dirty.

        LP: the load of p; absent: the load of `read` if not amended, else any moment while mu is held.
        """
        read = self._load_read_only()
        entry = read.m.get(key)
        if entry is None and read.amended:
            with self.mu:
                read = self._load_read_only()
                entry = read.m.get(key)
                if entry is None and read.amended:
                    entry = self._get_dirty_locked(key)
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()

    def store(self, key: K, value: V) -> None:
        """Set the value of the key. Never counts a miss. LP as `swap`."""
        self.swap(key, value)

    def load_or_store(self, key: K, value: V) -> tuple[V, bool]:
        """`(actual, True)` if the key was there, else `(value, False)`. Counts a miss if dirty had the key.

        LP: the load of p that saw it live, the CAS that filled it, or the insertion into dirty.
        """
        read = self._load_read_only()
        entry = read.m.get(key)
        if entry is not None and (answer := entry.try_load_or_store(value)) is not None:
            return answer
        with self.mu:
            read = self._load_read_only()
            entry = read.m.get(key)
            if entry is not None:
                self._unexpunge_locked(key, entry)
                answer = entry.try_load_or_store(value)
            elif (entry := self._get_dirty_locked(key)) is not None:
                answer = entry.try_load_or_store(value)
                self._miss_locked()
            else:
                self._insert_locked(read, key, Box(value))
                answer = value, False
        assert answer is not None, "an entry cannot become expunged while mu is held by somebody else"
        return answer

    def load_and_delete(self, key: K) -> tuple[V | None, bool]:
        """Delete the key; what it held. Counts a miss whenever it looks in dirty.

        LP: the CAS of p to None; for a key only in dirty, its removal from there; absent: as `load`.
        """
        read = self._load_read_only()
        entry = read.m.get(key)
        if entry is None and read.amended:
            with self.mu:
                read = self._load_read_only()
                entry = read.m.get(key)
                if entry is None and read.amended:
                    entry = self._existing_dirty_locked().pop(key)
                    self._miss_locked()
        return (None, False) if entry is None else entry.delete()

    def delete(self, key: K) -> None:
        """Delete the key if it is there. Misses and LP as `load_and_delete`."""
        self.load_and_delete(key)

    def swap(self, key: K, value: V) -> tuple[V | None, bool]:
        """Set the value of the key; what it held before. Never counts a miss.

        LP: the CAS or exchange of p; for a new key, the insertion into dirty.
        """
        box = Box(value)
        entry = self._load_read_only().m.get(key)
        if entry is not None:
            previous, swapped = entry.try_swap(box)
            if swapped:
                return _found(previous)
        with self.mu:
            read = self._load_read_only()
            entry = read.m.get(key)
            if entry is not None:
                self._unexpunge_locked(key, entry)
                return _found(entry.swap_locked(box))
            entry = self._get_dirty_locked(key)
            if entry is not None:
                return _found(entry.swap_locked(box))
            self._insert_locked(read, key, box)
            return None, False

    def compare_and_swap(self, key: K, old: V, new: V) -> bool:
        """Replace the value if it equals `old`; a missing key equals nothing. Counts a miss if dirty had the key.

        LP: the successful CAS of p; otherwise the load that showed another value or none.
        """
        read = self._load_read_only()
        entry = read.m.get(key)
        if entry is not None:
            return entry.try_compare_and_swap(old, new)
        if not read.amended:
            return False
        with self.mu:
            entry = self._load_read_only().m.get(key)
            if entry is not None:
                return entry.try_compare_and_swap(old, new)
            entry = self._get_dirty_locked(key)
            if entry is None:
                return False
            swapped = entry.try_compare_and_swap(old, new)
            self._miss_locked()
            return swapped

    def compare_and_delete(self, key: K, old: V) -> bool:
        """Delete the key if its value equals `old`. Counts a miss whenever it looks in dirty.

        The entry stays in dirty, emptied, until the next copy of read expunges it. LP as `compare_and_swap`.
        """
        read = self._load_read_only()
        entry = read.m.get(key)
        if entry is None and read.amended:
            with self.mu:
                read = self._load_read_only()
                entry = read.m.get(key)
                if entry is None and read.amended:
                    entry = self._get_dirty_locked(key)
                    self._miss_locked()
        return entry is not None and entry.compare_and_delete(old)

    @overload
    def range(self) -> list[tuple[K, V]]: ...
    @overload
    def range(self, f: Callable[[K, V], bool]) -> None: ...
    def range(self, f: Callable[[K, V], bool] | None = None) -> list[tuple[K, V]] | None:
        """Call `f(key, value)` for each key until it answers false; without `f`, the list of pairs.

        No key comes twice, and a key that is there from call to return comes once; each value is read at a
        moment of its own, so this is no snapshot. `f` may call any method. The key set is frozen at the start:
        if amended, dirty is promoted at once.
        """
        if f is None:
            return list(self._pairs())
        for key, value in self._pairs():
            if not f(key, value):
                break
        return None

    def clear(self) -> None:
        """Delete every key. LP: the store of an empty `read`, or the load that showed one, not amended.

        A writer that still holds the old record finishes on an entry that nobody can reach any more: it
        overlaps the clear, and counts as before it.
        """
        if self._load_read_only().is_empty():
            return
        with self.mu:
            if not self._load_read_only().is_empty():
                self.read.store(ReadOnly(PlainDict("entries"), amended=False))
            dirty = self.dirty.read()
            if dirty is not None:
                dirty.clear()
            # Otherwise the next lookup that misses might promote the dirty map that was just emptied.
            self.misses.write(0)

    def check_invariants(self) -> None:
        """Raise AssertionError, saying which of I1 to I7 is broken. Only for a map that no thread is using."""
        check_at_rest(self, EXPUNGED)

    def step_invariants(self) -> Callable[[], None]:
        """What to call between any two accesses of any threads; raises AssertionError, naming what is broken."""
        return StepInvariants(self, EXPUNGED)

    def _load_read_only(self) -> ReadOnly[K, V]:
        return self.read.load()

    def _pairs(self) -> Iterator[tuple[K, V]]:
        read = self._load_read_only()
        if read.amended:
            with self.mu:
                read = self._load_read_only()
                if read.amended:
                    read = self._promote_locked()
        for key, entry in read.m.items():
            p = entry.p.load()
            if isinstance(p, Box):
                yield key, p.value

    def _miss_locked(self) -> None:
        misses = self.misses.read() + 1
        self.misses.write(misses)
        if should_promote(misses, len(self._existing_dirty_locked())):
            self._promote_locked()

    def _promote_locked(self) -> ReadOnly[K, V]:
        read = ReadOnly(self._existing_dirty_locked(), amended=False)
        self.read.store(read)
        self.dirty.write(None)
        self.misses.write(0)
        return read

    def _insert_locked(self, read: ReadOnly[K, V], key: K, box: Box[V]) -> None:
        """Add a key that neither dictionary has; the first one since a promotion makes dirty and says so."""
        if not read.amended:
            self._dirty_locked()
            self.read.store(ReadOnly(read.m, amended=True))
        self._existing_dirty_locked()[key] = Entry(box)

    def _dirty_locked(self) -> None:
        """Make dirty a copy of read, expunging what was deleted, if there is no dirty."""
        if self.dirty.read() is not None:
            return
        dirty: PlainDict[K, Entry[V]] = PlainDict("entries")
        self.dirty.write(dirty)
        try:
            self._copy_read_locked(dirty)
        except BaseException:
            # Go's keys cannot fail to compare. Half a copy would be promoted as a whole one, and keys be lost.
            self._undo_copy_locked()
            raise

    def _copy_read_locked(self, dirty: PlainDict[K, Entry[V]]) -> None:
        for key, entry in self._load_read_only().m.items():
            if not entry.try_expunge_locked():
                dirty[key] = entry

    def _undo_copy_locked(self) -> None:
        """As it was before: no dirty, and so nothing expunged."""
        for pair in self._load_read_only().m.items():
            pair[1].unexpunge_locked()
        self.dirty.write(None)

    def _unexpunge_locked(self, key: K, entry: Entry[V]) -> None:
        if entry.unexpunge_locked():
            self._existing_dirty_locked()[key] = entry

    def _get_dirty_locked(self, key: K) -> Entry[V] | None:
        dirty = self.dirty.read()
        return None if dirty is None else dirty.get(key)

    def _existing_dirty_locked(self) -> PlainDict[K, Entry[V]]:
        """Dirty, where the invariants promise one: read is amended (I2), or an entry was expunged (I3)."""
        dirty = self.dirty.read()
        assert dirty is not None, "SyncMap is broken: there is no dirty"
        return dirty


def _found(p: Pointer[V]) -> tuple[V | None, bool]:
    return (p.value, True) if isinstance(p, Box) else (None, False)


def _holds(p: Pointer[V], old: V) -> bool:
    return isinstance(p, Box) and bool(p.value == old)
