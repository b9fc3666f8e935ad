"""A lock for each key, made when it is first asked for, and made once: `dict.setdefault` lets one of several win.

Locks are never removed, so a key has one lock for as long as the map lives.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()


class LocksOnDemand:
    def __init__(self) -> None:
        self._locks: dict[Hashable, threading.Lock] = {}
        self._data: dict[Hashable, Any] = {}

    def _lock(self, key: Hashable) -> threading.Lock:
        return self._locks.get(key) or self._locks.setdefault(key, threading.Lock())

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

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        return list(self._data.copy().items())

    def __len__(self) -> int:
        return len(self._data)
