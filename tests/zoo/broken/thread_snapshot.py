"""Broken: thread-local copy gone stale. Each thread reads its own copy, which it renews when the version has changed.

The writer raises the version before it has written: a thread that copies in between keeps the old data under the
new version.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class _View(threading.local):
    version = -1
    data: dict[Hashable, Any]


class SnapshotDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = 0
        self._data: dict[Hashable, Any] = {}
        self._mine = _View()

    def _view(self) -> dict[Hashable, Any]:
        version = self._version
        if self._mine.version != version:
            self._mine.data = self._data
            self._mine.version = version
        return self._mine.data

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._view().get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._view()[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._version += 1
            self._data = {**self._data, key: value}

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            changed = self._data.copy()
            del changed[key]
            self._version += 1
            self._data = changed

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            if key not in self._data:
                self._version += 1
                self._data = {**self._data, key: default}
            return self._data[key]

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
