"""Broken: two locks for one datum. Who inserts holds one lock and who removes another, so they never exclude each other.

`setdefault` finds a key present and reads it, and in between it was removed: a KeyError escapes.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class ProducerConsumerDict:
    def __init__(self) -> None:
        self._put_lock = threading.Lock()
        self._take_lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._put_lock:
            self._data[key] = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._put_lock:
            if key not in self._data:
                self._data[key] = default
            return self._data[key]

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._take_lock:
            return self._data.pop(key, *default)

    def __delitem__(self, key: Hashable) -> None:
        with self._take_lock:
            del self._data[key]

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._put_lock, self._take_lock:
            return list(self._data.items())

    def __len__(self) -> int:
        return len(self._data)
