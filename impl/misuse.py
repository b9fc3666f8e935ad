"""Wrong uses of the reference maps, each as a user would write it: what no map can be right against.

The idea: a map keeps its promises only to those who go through its operations. Each class here is a map together
with one user who does not: who takes hold of an inner dictionary (in Go by `unsafe`, or by casting the map to a
built-in one), or who forgets the lock. They are there to be found; nothing else uses them.
"""

from __future__ import annotations

from typing import TypeVar

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync_map import Box, Entry, SyncMap

K = TypeVar("K")
V = TypeVar("V")


class DeletesFromRead(SyncMap[K, V]):
    """`delete(m.m, "key")`: takes the key out of the published read.m, whose key set must never change."""

    def delete(self, key: K) -> None:
        self.read.load().m.pop(key)


class StoresIntoRead(SyncMap[K, V]):
    """`(*(*map[K]V)(unsafe.Pointer(&m)))["key"] = v`: writes the published read.m as if it were a built-in map."""

    def store(self, key: K, value: V) -> None:
        self.read.load().m[key] = Entry(Box(value))


class StoresIntoDirty(SyncMap[K, V]):
    """Writes `dirty` without `mu`, which guards it."""

    def store(self, key: K, value: V) -> None:
        dirty = self.dirty.read()
        if dirty is None:
            super().store(key, value)
        else:
            dirty[key] = Entry(Box(value))


class DeletesUnlocked(RWMutexMap[K, V]):
    """Locks to store and to load, but not to delete."""

    def delete(self, key: K) -> None:
        self.items.pop(key)
