"""Broken: lock replaced while it is awaited. `clear` starts afresh, with a new dict and a new lock.

Who waited for the old lock then holds it beside somebody who holds the new one, both at work on the new dict.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()


class ResettableDict:
    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
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

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            value = self._data.get(key, _MISSING)
            if value is _MISSING:
                value = self._data[key] = default
            return value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock:
            value = self._data.get(key, _MISSING)
            if value is not _MISSING:
                del self._data[key]
                return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def clear(self) -> None:
        with self._lock:
            self._reset()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
