"""Broken: cache invalidated before the write. Who reads between the two caches the old value for ever.

Reads go through `functools.lru_cache`, which each write empties first.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from threading import Lock
from typing import Any


class CachedStore:
    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[Hashable, Any] = {}
        self._cached = functools.lru_cache(maxsize=128)(self._fetch)

    def _fetch(self, key: Hashable) -> Any:
        return self._rows[key]

    def __getitem__(self, key: Hashable) -> Any:
        return self._cached(key)

    def get(self, key: Hashable, default: Any = None) -> Any:
        try:
            return self._cached(key)
        except KeyError:
            return default

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._cached.cache_clear()
            self._rows[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            self._cached.cache_clear()
            del self._rows[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._rows.setdefault(key, default)  # a missing key is never cached

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._rows.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._rows)
