"""Broken: lost update of a counter. The operations are locked, but the size is counted outside the lock."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()


class MiscountingDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}
        self._size = 0

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            new = key not in self._data
            self._data[key] = value
        if new:
            self._size += 1

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            new = key not in self._data
            value = self._data.setdefault(key, default)
        if new:
            self._size += 1
        return value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock:
            value = self._data.pop(key, _MISSING)
        if value is not _MISSING:
            self._size -= 1
            return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        return self._size
