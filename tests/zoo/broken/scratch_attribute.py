"""Broken: working variable kept in the object. The bucket of the current call is an attribute that all threads share.

Each bucket has its lock, but by the time that it is taken the attribute may name another thread's bucket.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class CursorTable:
    SIZE = 4

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(self.SIZE)]
        self._buckets: list[dict[Hashable, Any]] = [{} for _ in range(self.SIZE)]
        self._at = 0

    def _seek(self, key: Hashable) -> threading.Lock:
        self._at = hash(key) % self.SIZE
        return self._locks[self._at]

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._seek(key):
            return self._buckets[self._at].get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._seek(key):
            return self._buckets[self._at][key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._seek(key):
            self._buckets[self._at][key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._seek(key):
            del self._buckets[self._at][key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._seek(key):
            return self._buckets[self._at].setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._seek(key):
            return self._buckets[self._at].pop(key, *default)

    def items(self) -> list[tuple[Hashable, Any]]:
        pairs: list[tuple[Hashable, Any]] = []
        for lock, bucket in zip(self._locks, self._buckets, strict=True):
            with lock:
                pairs.extend(bucket.items())
        return pairs

    def __len__(self) -> int:
        return len(self.items())
