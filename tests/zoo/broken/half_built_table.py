"""Broken: published before it is built. A table that grows shows readers the new slots while they are still empty.

Open addressing with linear probing: writers hold a lock, readers walk the slots without one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from threading import Lock
from typing import Any

_MISSING = object()
_DELETED = (_MISSING, None)

_Slots = list[tuple[Any, Any] | None]


class ProbingTable:
    def __init__(self) -> None:
        self._writing = Lock()
        self._slots: _Slots = [None] * 4
        self._used = 0

    def get(self, key: Hashable, default: Any = None) -> Any:
        slots = self._slots
        pair = slots[self._place(slots, key)]
        return default if pair is None else pair[1]

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._writing:
            self._put(key, value)

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._writing:
            value = self.get(key, _MISSING)
            if value is _MISSING:
                self._put(key, default)
                return default
            return value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._writing:
            place = self._place(self._slots, key)
            pair = self._slots[place]
            if pair is not None:
                self._slots[place] = _DELETED
                return pair[1]
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._writing:
            return list(self._pairs(self._slots))

    def __len__(self) -> int:
        with self._writing:
            return sum(1 for _ in self._pairs(self._slots))

    def _put(self, key: Hashable, value: Any) -> None:
        place = self._place(self._slots, key)
        if self._slots[place] is None:
            if 2 * (self._used + 1) > len(self._slots):
                self._grow()
                place = self._place(self._slots, key)
            self._used += 1
        self._slots[place] = (key, value)

    def _grow(self) -> None:
        old = self._slots
        self._slots = [None] * (2 * len(old))
        self._used = 0
        for pair in self._pairs(old):
            self._slots[self._place(self._slots, pair[0])] = pair
            self._used += 1

    @staticmethod
    def _place(slots: _Slots, key: Hashable) -> int:
        """Where the key is, or else the free slot where it would go."""
        place = hash(key) % len(slots)
        while (pair := slots[place]) is not None and pair[0] != key:
            place = (place + 1) % len(slots)
        return place

    @staticmethod
    def _pairs(slots: _Slots) -> Iterator[tuple[Any, Any]]:
        return (pair for pair in slots if pair is not None and pair is not _DELETED)
