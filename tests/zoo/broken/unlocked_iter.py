"""Broken: iterator invalidated. `items` takes the lock only to start, and walks a dict that others resize."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import Any


class LiveItemsDict:
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
        with self._lock:
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            return self._data.pop(key, *default)

    def clear(self) -> None:
        with self._lock:
            self._data.clear()

    def items(self) -> Iterator[tuple[Hashable, Any]]:
        with self._lock:
            pairs = self._data.items()
        for key, value in pairs:  # noqa: UP028 a loop, as its authors write it
            yield key, value

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
