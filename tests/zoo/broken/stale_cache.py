"""Broken: torn read of two fields. The pair read last is kept in two attributes, which no lock holds together.

A thread may take one key and another key's value from them. Writers forget the pair, so one thread alone is right.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_NOTHING = object()


class LastReadDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}
        self._last_key: Any = _NOTHING
        self._last_value: Any = None

    def get(self, key: Hashable, default: Any = None) -> Any:
        if key == self._last_key:
            return self._last_value
        with self._lock:
            if key not in self._data:
                return default
            value = self._data[key]
        self._last_key = key
        self._last_value = value
        return value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _NOTHING)
        if value is _NOTHING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value
            self._last_key = _NOTHING

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._data[key]
            self._last_key = _NOTHING

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            self._last_key = _NOTHING
            return self._data.pop(key, *default)

    def clear(self) -> None:
        with self._lock:
            self._data.clear()
            self._last_key = _NOTHING

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
