"""Broken: seqlock that accepts a write in progress. A reader compares the numbers, but an odd one is no reason to wait.

A write takes the key out and puts it back at the end, so that `items` lists the keys by the time of their last write.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()


class RecencyDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sequence = 0  # odd while somebody writes
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        while True:
            before = self._sequence
            value = self._data.get(key, default)
            if self._sequence == before:
                return value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._sequence += 1
            self._data.pop(key, None)
            self._data[key] = value
            self._sequence += 1

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            return self._data.pop(key, *default)

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
