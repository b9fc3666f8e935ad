"""Broken: locks taken in opposite orders. A dict that remembers when each key was set, under a second lock.

Setting a key locks the data, then the ages; deleting one locks the ages, then the data: a deadlock.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from threading import Lock
from typing import Any


class AgedDict:
    def __init__(self) -> None:
        self._data_lock = Lock()
        self._ages_lock = Lock()
        self._data: dict[Hashable, Any] = {}
        self._ages: dict[Hashable, int] = {}
        self._clock = itertools.count()

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._data_lock:
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._data_lock:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._data_lock:
            self._data[key] = value
            with self._ages_lock:
                self._ages[key] = next(self._clock)

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._data_lock:
            if key in self._data:
                return self._data[key]
            self._data[key] = default
            with self._ages_lock:
                self._ages[key] = next(self._clock)
            return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._ages_lock:
            self._ages.pop(key, None)
            with self._data_lock:
                return self._data.pop(key, *default)

    def clear(self) -> None:
        with self._data_lock, self._ages_lock:
            self._data.clear()
            self._ages.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._data_lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._data_lock:
            return len(self._data)
