"""Broken: somebody else's lock released. A read does not wait for the lock, but gives it back whether it got it or not.

It asks whether the lock is locked, not whether it is its own: the writer that held it finds it free.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class ImpatientDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        self._lock.acquire(blocking=False)
        try:
            return self._data.get(key, default)
        finally:
            if self._lock.locked():
                self._lock.release()

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.setdefault(key, default)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
