"""Broken: weak reference whose callback removes a newer entry. An old entry dies late, and takes the key along.

The entries live in one dict; an index of weak references to them is what readers use, and it cleans itself up.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable
from typing import Any

_MISSING = object()


class _Entry:
    def __init__(self, key: Hashable, value: Any) -> None:
        self.key = key
        self.value = value


class WeakIndex:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owned: dict[Hashable, _Entry] = {}
        self._index: dict[Hashable, weakref.ref[_Entry]] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        reference = self._index.get(key)
        entry = None if reference is None else reference()
        return default if entry is None else entry.value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._put(key, value)

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            if key not in self._owned:
                self._put(key, default)
            return self._owned[key].value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._owned[key]

    def items(self) -> list[tuple[Hashable, Any]]:
        return [(entry.key, entry.value) for entry in self._owned.copy().values()]

    def __len__(self) -> int:
        return len(self._owned)

    def _put(self, key: Hashable, value: Any) -> None:
        entry = _Entry(key, value)
        self._owned[key] = entry
        self._index[key] = weakref.ref(entry, lambda dead: self._index.pop(key, None))
