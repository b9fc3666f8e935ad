"""Broken: one critical section made two. `compare_and_swap` compares under the lock and swaps under it again.

A map in the manner of Go's sync.Map.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Any


class CompareThenSwapMap:
    def __init__(self) -> None:
        self._lock = Lock()
        self._data: dict[Hashable, Any] = {}

    def load(self, key: Hashable) -> tuple[Any, bool]:
        with self._lock:
            return (self._data[key], True) if key in self._data else (None, False)

    def store(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value

    def load_or_store(self, key: Hashable, value: Any) -> tuple[Any, bool]:
        with self._lock:
            if key in self._data:
                return self._data[key], True
            self._data[key] = value
            return value, False

    def load_and_delete(self, key: Hashable) -> tuple[Any, bool]:
        with self._lock:
            return (self._data.pop(key), True) if key in self._data else (None, False)

    def delete(self, key: Hashable) -> None:
        with self._lock:
            self._data.pop(key, None)

    def compare_and_swap(self, key: Hashable, old: Any, new: Any) -> bool:
        if self.load(key) != (old, True):
            return False
        self.store(key, new)
        return True

    def range(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def clear(self) -> None:
        with self._lock:
            self._data.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
