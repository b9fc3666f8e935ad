"""Broken: early return with the lock held. `setdefault` looks again under the lock, and then forgets to give it back.

It takes two threads to get there: alone, a key that was missing before the lock is missing under it.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()


class TwiceCheckedDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        value = self._data.get(key, _MISSING)
        if value is not _MISSING:
            return value
        self._lock.acquire()
        value = self._data.get(key, _MISSING)
        if value is not _MISSING:
            return value
        self._data[key] = default
        self._lock.release()
        return default

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            return self._data.pop(key, *default)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        return len(self._data)
