"""A dict behind one RLock: the first thing that anybody writes, and right."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import Any

_MISSING = object()


class RLockDict:
    def __init__(self) -> None:
        self._lock = threading.RLock()
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

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._data

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            if key not in self:  # takes the lock again: it is reentrant
                self[key] = default
            return self._data[key]

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock:
            if default is _MISSING:
                return self._data.pop(key)
            return self._data.pop(key, default)

    def clear(self) -> None:
        with self._lock:
            self._data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __iter__(self) -> Iterator[Hashable]:
        with self._lock:
            return iter(list(self._data))

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
