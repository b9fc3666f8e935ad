"""Broken: memo refilled after its invalidation. `len` counts under the lock, but remembers the count after it.

A write in between forgets the old count, and then the old count is remembered again, for good.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class CountedOnceDict:
    """Counting is slow for some of our backends, so the size is remembered until somebody writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}
        self._size: int | None = None

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value
            self._size = None

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            self._size = None
            return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            self._size = None
            return self._data.pop(key, *default)

    def clear(self) -> None:
        with self._lock:
            self._data.clear()
            self._size = None

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        size = self._size
        if size is None:
            with self._lock:
                size = len(self._data)
            self._size = size
        return size
