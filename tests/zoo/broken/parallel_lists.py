"""Broken: torn read of two fields. Keys and values are two lists; `get` finds a place in one, then reads the other.

Writers hold a lock, readers do not: a key that is deleted in between moves all the values behind it.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class ListMap:
    """For a few keys a linear search beats hashing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: list[Hashable] = []
        self._values: list[Any] = []

    def get(self, key: Hashable, default: Any = None) -> Any:
        try:
            place = self._keys.index(key)
        except ValueError:
            return default
        return self._values[place]

    def __getitem__(self, key: Hashable) -> Any:
        try:
            place = self._keys.index(key)
        except ValueError:
            raise KeyError(key) from None
        return self._values[place]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            if key in self._keys:
                self._values[self._keys.index(key)] = value
            else:
                self._append(key, value)

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            if key in self._keys:
                return self._values[self._keys.index(key)]
            self._append(key, default)
            return default

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            if key not in self._keys:
                raise KeyError(key)
            place = self._keys.index(key)
            del self._keys[place]
            del self._values[place]

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(zip(self._keys, self._values, strict=True))

    def __len__(self) -> int:
        return len(self._keys)

    def _append(self, key: Hashable, value: Any) -> None:
        self._values.append(value)
        self._keys.append(key)
