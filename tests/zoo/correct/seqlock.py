"""A seqlock done right: a reader that met a write tries again, and after a few attempts waits its turn like a writer.

A write takes the key out and puts it back, so that `items` lists the keys by the time of their last write.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()
ATTEMPTS = 3


class SequencedDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sequence = 0  # odd while somebody writes
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        for _ in range(ATTEMPTS):
            before = self._sequence
            if before % 2 == 0:
                value = self._data.get(key, default)
                if self._sequence == before:
                    return value
        with self._lock:
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._put(key, value)

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            if key not in self._data:
                self._put(key, default)
            return self._data[key]

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            return self._data.pop(key, *default)

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def clear(self) -> None:
        with self._lock:
            self._data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)

    def _put(self, key: Hashable, value: Any) -> None:
        self._sequence += 1
        self._data.pop(key, None)
        self._data[key] = value
        self._sequence += 1
