"""Broken: validated against a version read too late. `setdefault` looks at the key first and at the version second.

What another thread writes between the two looks is in the version already, and the validation passes.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()


class OptimisticDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = 0
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._version += 1
            self._data[key] = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        while True:
            value = self._data.get(key, _MISSING)
            version = self._version
            if value is not _MISSING:
                return value
            with self._lock:
                if self._version == version:
                    self._version += 1
                    self._data[key] = default
                    return default

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            self._version += 1
            return self._data.pop(key, *default)

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        return len(self._data)
