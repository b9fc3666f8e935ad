"""Broken: exception with the lock held. `del` and `pop` of a missing key raise between acquire and release."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class LeakyLockDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        self._lock.acquire()
        del self._data[key]
        self._lock.release()

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        self._lock.acquire()
        value = self._data.pop(key, *default)
        self._lock.release()
        return value

    def clear(self) -> None:
        with self._lock:
            self._data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
