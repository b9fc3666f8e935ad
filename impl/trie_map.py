"""Go's sync.Map from Go 1.24 on (src/internal/sync/hashtriemap.go): a trie on the bits of the keys' hashes.

The idea: four bits of a 64-bit hash, from the top, choose one of the 16 children of an interior node; a child is
nothing, an entry, or the next interior node. Entries never change: a writer makes a new one and publishes it by
one atomic store, so a reader needs no lock. A writer locks the one interior node whose child it replaces, so
writers of different parts of the map do not meet. Keys whose whole hashes are equal share a child, as a chain of
entries. An interior node that loses its last child is taken out of its parent, marked dead, and never used again.

What holds of the trie between operations, and what at every step, is told and checked in `trie_map_invariants`.

"LP" in a docstring is the linearization point: the one access at which the operation takes effect. Operations on a
trie that a `clear` has cut off in the meantime all overlap it, and count, in their order, as just before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar, overload

from mapproof.impl.hashing import MASK_64, mixed
from mapproof.impl.sync import Atomic, Mutex
from mapproof.impl.trie_map_invariants import EveryStep, check_at_rest
from mapproof.impl.trie_nodes import BITS_PER_LEVEL, HASH_BITS, Entry, Indirect, Node
from mapproof.spec.claims import Claims, Contract

K = TypeVar("K")
V = TypeVar("V")

_SHIFTS: Final = range(HASH_BITS - BITS_PER_LEVEL, -1, -BITS_PER_LEVEL)


def seeded_hash(seed: int) -> Callable[[Any], int]:
    """A 64-bit hash of Python keys: `hash`, mixed with the seed by the finalizer of splitmix64.

    For one seed the mixing is one to one, so keys have equal hashes only if `hash` says so.
    """
    return lambda key: mixed(hash(key) + seed)


_DEFAULT_HASH: Final = seeded_hash(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, eq=False)
class Place(Generic[K, V]):
    """Where a hash leads: `slot` is the child of `node` that the four bits above `shift` choose.

    `head` is the chain that was found in the slot when it was last looked at.
    """

    node: Indirect[K, V]
    shift: int
    slot: Atomic[Node[K, V]]
    head: Entry[K, V] | None

    def lookup(self, key: K) -> Entry[K, V] | None:
        """The key's entry in the chain."""
        return None if self.head is None else self.head.lookup(key)

    def again_locked(self) -> Place[K, V] | None:
        """The same place as it is now, or None if the hash leads elsewhere since the lock was waited for."""
        head = self.slot.load()
        if isinstance(head, Indirect) or self.node.dead.load():
            return None
        return Place(self.node, self.shift, self.slot, head)

    def replace_locked(self, entry: Entry[K, V], by: Entry[K, V] | None) -> Node[K, V]:
        """Put `by` in the place of `entry`; what is left in the slot."""
        assert self.head is not None, "TrieMap is broken: the entry of an empty slot"
        left = self.head.replaced_locked(entry, by)
        self.slot.store(left)
        return left


class TrieMap(Generic[K, V]):
    """A concurrent map, usable from any number of threads without further locks.

    `hash_key` gives the hash of a key, of which the low 64 bits count; keys that are equal must have equal hashes.
    Go draws a new seed for each map. The seed of the default is always the same, so that a schedule can be
    replayed: give `seeded_hash(secrets.randbits(64))` where strangers choose the keys.

    Keys are told apart as a dict does, values by `==` (so `1`, `1.0` and `True` are one key, or one old value). Of equal
    keys the one that was stored last stays, as in Go.
    A key or a value that calls the map from its `__eq__`, `__hash__` or `__del__` may deadlock, as these may run while
    a node is locked.
    """

    __slots__ = ("hash_key", "init_mu", "inited", "root")

    claims: ClassVar[Claims] = Claims(range=Contract.PER_KEY, clear=Contract.ATOMIC)

    def __init__(self, hash_key: Callable[[K], int] = _DEFAULT_HASH) -> None:
        self.hash_key = hash_key
        self.inited = Atomic(False, "inited")
        self.init_mu = Mutex("init_mu")
        self.root: Atomic[Indirect[K, V] | None] = Atomic(None, "root")

    def load(self, key: K) -> tuple[V | None, bool]:
        """`(value, True)` or `(None, False)`. Never waits for a lock, once the map is in use.

        LP: the load of the slot, or of the chain link that led to the entry or to the end. If that link had been
        cut off by then: the store that cut it off, which came after the load of the slot.
        """
        entry = self._walk(self._hash(key)).lookup(key)
        return (None, False) if entry is None else (entry.value, True)

    def store(self, key: K, value: V) -> None:
        """Set the value of the key. LP as `swap`."""
        self.swap(key, value)

    def load_or_store(self, key: K, value: V) -> tuple[V, bool]:
        """`(actual, True)` if the key was there, without a lock if it was there at once; else `(value, False)`.

        LP: as `load` if the key was there; otherwise the store of the slot.
        """
        hash_ = self._hash(key)
        while True:
            place = self._walk(hash_)
            if (entry := place.lookup(key)) is not None:
                return entry.value, True
            with place.node.mu:
                now = place.again_locked()
                if now is None:
                    continue
                if (entry := now.lookup(key)) is not None:
                    return entry.value, True
                self._insert_locked(now, hash_, key, value)
                return value, False

    def load_and_delete(self, key: K) -> tuple[V | None, bool]:
        """Delete the key; what it held. LP: the store of the slot or of the chain link; absent: as `load`."""
        entry = self._remove(key, lambda value: True)
        return (None, False) if entry is None else (entry.value, True)

    def delete(self, key: K) -> None:
        """Delete the key if it is there. LP as `load_and_delete`."""
        self.load_and_delete(key)

    def swap(self, key: K, value: V) -> tuple[V | None, bool]:
        """Set the value of the key; what it held before. LP: the store of the slot or of the chain link."""
        hash_ = self._hash(key)
        while True:
            place = self._walk(hash_)
            with place.node.mu:
                now = place.again_locked()
                if now is None:
                    continue
                entry = now.lookup(key)
                if entry is None:
                    self._insert_locked(now, hash_, key, value)
                    return None, False
                now.replace_locked(entry, _entry(key, value, entry.overflow.load()))
                return entry.value, True

    def compare_and_swap(self, key: K, old: V, new: V) -> bool:
        """Replace the value if it equals `old`; a missing key equals nothing.

        LP: the store of the slot or of the chain link; otherwise as the `load` that showed another value or none,
        which may have been done under the lock.
        """
        hash_ = self._hash(key)
        while True:
            place = self._walk(hash_)
            if not _holds(place.lookup(key), old):
                return False
            with place.node.mu:
                now = place.again_locked()
                if now is None:
                    continue
                entry = now.lookup(key)
                if entry is None or not _holds(entry, old):
                    return False
                now.replace_locked(entry, _entry(key, new, entry.overflow.load()))
                return True

    def compare_and_delete(self, key: K, old: V) -> bool:
        """Delete the key if its value equals `old`. LP as `compare_and_swap`."""
        return self._remove(key, lambda value: bool(value == old)) is not None

    @overload
    def range(self) -> list[tuple[K, V]]: ...
    @overload
    def range(self, f: Callable[[K, V], bool]) -> None: ...
    def range(self, f: Callable[[K, V], bool] | None = None) -> list[tuple[K, V]] | None:
        """Call `f(key, value)` for each key until it answers false; without `f`, the list of pairs.

        No key comes twice, and a key that is there from call to return comes once; each key is read at a moment
        of its own, so this is no snapshot. `f` may call any method; keys that are new since the start may come.
        The order is that of the hashes.
        """
        if f is None:
            return list(_pairs(self._load_root()))
        for key, value in _pairs(self._load_root()):
            if not f(key, value):
                break
        return None

    def clear(self) -> None:
        """Delete every key. LP: the store of a new root.

        The old nodes are not dead: whoever is in them finishes there, unseen by those who come later.
        """
        self._init()
        self.root.store(Indirect(None))

    def check_invariants(self) -> None:
        """Raise AssertionError, saying which of T1 to T5 is broken. Only for a map that no thread is using."""
        check_at_rest(self, self._hash)

    def step_invariants(self) -> Callable[[], None]:
        """A check of T1 to T7 for between any two accesses of any threads; raises as `check_invariants`.

        It remembers what it saw, so one is for one run. Threads must stand still while it looks.
        """
        return EveryStep(self, self._hash)

    def _hash(self, key: K) -> int:
        return self.hash_key(key) & MASK_64

    def _init(self) -> None:
        """A map needs no memory until it is used; the flag, not the root, says that it has been."""
        if self.inited.load():
            return
        with self.init_mu:
            if not self.inited.load():
                self.root.store(Indirect(None))
                self.inited.store(True)

    def _load_root(self) -> Indirect[K, V]:
        self._init()
        root = self.root.load()
        assert root is not None, "TrieMap is broken: there is no root"
        return root

    def _walk(self, hash_: int) -> Place[K, V]:
        """Follow the hash from the root to the first slot that holds no interior node."""
        node = self._load_root()
        for shift in _SHIFTS:
            slot = node.child(hash_, shift)
            child = slot.load()
            if not isinstance(child, Indirect):
                return Place(node, shift, slot, child)
            node = child
        raise AssertionError("TrieMap is broken: ran out of hash bits")

    def _insert_locked(self, place: Place[K, V], hash_: int, key: K, value: V) -> None:
        """Add a key that is not in the place's chain."""
        if place.head is None:
            place.slot.store(_entry(key, value, None))
        elif (head_hash := self._hash(place.head.key)) == hash_:
            place.slot.store(_entry(key, value, place.head))
        else:
            place.slot.store(_expand(place, head_hash, _entry(key, value, None), hash_))

    def _remove(self, key: K, matches: Callable[[V], bool]) -> Entry[K, V] | None:
        """Delete the key if its value matches; the entry that was deleted."""
        hash_ = self._hash(key)
        while True:
            place = self._walk(hash_)
            entry = place.lookup(key)
            if entry is None or not matches(entry.value):
                return None
            held = place.node
            held.mu.lock()
            try:
                now = place.again_locked()
                if now is None:
                    continue
                entry = now.lookup(key)
                if entry is None or not matches(entry.value):
                    return None
                if now.replace_locked(entry, entry.overflow.load()) is None:
                    held = _prune_locked(now, hash_)
                return entry
            finally:
                held.mu.unlock()


def _entry(key: K, value: V, overflow: Entry[K, V] | None) -> Entry[K, V]:
    return Entry(key, value, Atomic(overflow, "overflow"))


def _holds(entry: Entry[K, V] | None, old: V) -> bool:
    return entry is not None and bool(entry.value == old)


def _expand(place: Place[K, V], head_hash: int, entry: Entry[K, V], hash_: int) -> Indirect[K, V]:
    """The subtrie that holds the place's chain and `entry` apart. Nobody sees it until the caller publishes it."""
    top = node = Indirect(place.node)
    for shift in range(place.shift - BITS_PER_LEVEL, -1, -BITS_PER_LEVEL):
        head_slot, slot = node.child(head_hash, shift), node.child(hash_, shift)
        if head_slot is not slot:
            head_slot.store(place.head)
            slot.store(entry)
            return top
        below = Indirect(node)
        slot.store(below)
        node = below
    raise AssertionError("TrieMap is broken: ran out of hash bits; the hash of a key must not change")


def _prune_locked(place: Place[K, V], hash_: int) -> Indirect[K, V]:
    """Take the place's node out of its parent if it is empty, then the parent if that is empty now, and so on.

    Locks hand over hand, child before parent. Answers the node that is locked in the end, instead of the first.
    """
    node, shift = place.node, place.shift
    while node.parent is not None and node.empty():
        parent = node.parent
        shift += BITS_PER_LEVEL
        parent.mu.lock()
        node.dead.store(True)
        parent.child(hash_, shift).store(None)
        node.mu.unlock()
        node = parent
    return node


def _pairs(node: Indirect[K, V]) -> Iterator[tuple[K, V]]:
    """Depth first, each slot and each link loaded when its turn comes."""
    for slot in node.children:
        child = slot.load()
        if isinstance(child, Indirect):
            yield from _pairs(child)
            continue
        while child is not None:
            yield child.key, child.value
            child = child.overflow.load()
