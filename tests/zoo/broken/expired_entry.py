"""Broken: expiry checked, then acted upon. `get` removes an entry that it found expired, and by then it is a fresh one.

`clear` costs nothing: it begins a new generation, and entries of older ones are dead wherever they are met.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, NamedTuple

_MISSING = object()


class _Entry(NamedTuple):
    generation: int
    value: Any


class GenerationDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = 0
        self._entries: dict[Hashable, _Entry] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        entry = self._entries.get(key)
        if entry is None:
            return default
        if entry.generation < self._generation:
            with self._lock:
                self._entries.pop(key, None)
            return default
        return entry.value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._entries[key] = _Entry(self._generation, value)

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.generation < self._generation:
                entry = self._entries[key] = _Entry(self._generation, default)
            return entry.value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            if self._entries.pop(key, _Entry(-1, None)).generation < self._generation:
                raise KeyError(key)

    def clear(self) -> None:
        with self._lock:
            self._generation += 1

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return [
                (k, entry.value) for k, entry in self._entries.items() if entry.generation == self._generation
            ]

    def __len__(self) -> int:
        return len(self.items())
