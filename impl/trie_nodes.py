"""What a `TrieMap` is made of: entries that never change, in chains, and interior nodes with sixteen children.

The idea: whatever readers follow is one atomic word away and, once published, is either for good (an entry) or
replaced whole (what a child or a chain link holds). `trie_map` tells how they are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from mapproof.impl.sync import Atomic, Mutex

K = TypeVar("K")
V = TypeVar("V")

HASH_BITS: Final = 64
BITS_PER_LEVEL: Final = 4
CHILDREN: Final = 1 << BITS_PER_LEVEL

_CHILD_NAMES: Final = tuple(f"children[{index}]" for index in range(CHILDREN))


@dataclass(frozen=True, slots=True, eq=False)
class Entry(Generic[K, V]):
    """A key and its value, for good. `overflow` leads to the next entry whose key has the same whole hash."""

    key: K
    value: V
    overflow: Atomic[Entry[K, V] | None]

    def lookup(self, key: K) -> Entry[K, V] | None:
        """The key's entry in the chain that begins here."""
        entry: Entry[K, V] | None = self
        while entry is not None and not (entry.key is key or entry.key == key):
            entry = entry.overflow.load()
        return entry

    def replaced_locked(self, entry: Entry[K, V], by: Entry[K, V] | None) -> Entry[K, V] | None:
        """Put `by` in the place of `entry` in the chain that begins here; the head, for the caller to publish."""
        if entry is self:
            return by
        link = self.overflow
        while (following := link.load()) is not entry:
            assert following is not None, "TrieMap is broken: the entry is not in the chain"
            link = following.overflow
        link.store(by)
        return self


class Indirect(Generic[K, V]):
    """An interior node. `mu` guards the children and the chains that begin there; readers do not take it."""

    __slots__ = ("children", "dead", "mu", "parent")

    def __init__(self, parent: Indirect[K, V] | None) -> None:
        self.parent: Final = parent
        self.mu = Mutex("node.mu")
        self.dead = Atomic(False, "node.dead")
        self.children: Final[tuple[Atomic[Node[K, V]], ...]] = tuple(
            Atomic(None, name) for name in _CHILD_NAMES
        )

    def child(self, hash_: int, shift: int) -> Atomic[Node[K, V]]:
        """The child that the four bits above `shift` choose."""
        return self.children[(hash_ >> shift) % CHILDREN]

    def empty(self) -> bool:
        """Whether there is no child."""
        return all(child.load() is None for child in self.children)


Node: TypeAlias = Indirect[K, V] | Entry[K, V] | None
