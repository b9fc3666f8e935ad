"""Broken: lock made on first use. Two threads that are the first to ask for a key's lock may each make one.

Each then holds a lock of its own, and the two are in the critical section of one key together.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()


class KeyLockedDict:
    def __init__(self) -> None:
        self._locks: dict[Hashable, threading.Lock] = {}
        self._data: dict[Hashable, Any] = {}

    def _lock(self, key: Hashable) -> threading.Lock:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = threading.Lock()
        return lock

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock(key):
            self._data[key] = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock(key):
            if key in self._data:
                return self._data[key]
            self._data[key] = default
            return default

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock(key):
            if key in self._data:
                value = self._data[key]
                del self._data[key]
                return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def items(self) -> list[tuple[Hashable, Any]]:
        return list(self._data.copy().items())

    def __len__(self) -> int:
        return len(self._data)
