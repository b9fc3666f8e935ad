"""Broken: buffer swapped while it is written to. A store appends to a list that is already being emptied elsewhere.

`list.append` is atomic, so stores take no lock; every other operation first applies what has been gathered.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class BufferedDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}
        self._pending: list[tuple[Hashable, Any]] = []

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._pending.append((key, value))

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            self._flush()
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            self._flush()
            return self._data[key]

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            self._flush()
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            self._flush()
            return self._data.setdefault(key, default)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            self._flush()
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            self._flush()
            return len(self._data)

    def _flush(self) -> None:
        self._data.update(self._pending)
        self._pending = []
