"""An LRU cache: an OrderedDict under a lock, as reading moves a key to the end. Evicts beyond 1000 keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

_MISSING = object()


class LRU:
    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._use(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            value = self._use(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._put(key, value)

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._entries[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            value = self._use(key, _MISSING)
            if value is not _MISSING:
                return value
            self._put(key, default)
            return default

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            return self._entries.pop(key, *default)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._entries.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def _use(self, key: Hashable, default: Any) -> Any:
        if key not in self._entries:
            return default
        self._entries.move_to_end(key)
        return self._entries[key]

    def _put(self, key: Hashable, value: Any) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
