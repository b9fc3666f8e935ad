"""A table that grows without a pause: while it does there are two tables, and each write moves one bucket over.

Everything is under one lock; even the first table is made only when it is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_MISSING = object()
SMALLEST = 2

_Bucket = dict[Hashable, Any]


class IncrementalTable:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: list[_Bucket] | None = None
        self._old: list[_Bucket] = []
        self._moved = 0
        self._size = 0

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            bucket = self._bucket(key)
            return default if bucket is None else bucket.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            bucket = self._bucket_to_write(key)
            self._size += key not in bucket
            bucket[key] = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            bucket = self._bucket_to_write(key)
            self._size += key not in bucket
            return bucket.setdefault(key, default)

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock:
            bucket = self._bucket(key)
            value = _MISSING if bucket is None else bucket.pop(key, _MISSING)
            self._size -= value is not _MISSING
        if value is not _MISSING:
            return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def clear(self) -> None:
        with self._lock:
            self._table = None
            self._old = []
            self._moved = self._size = 0

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            buckets = [*self._old[self._moved :], *(self._table or [])]
            return [pair for bucket in buckets for pair in bucket.items()]

    def __len__(self) -> int:
        return self._size

    def _bucket(self, key: Hashable) -> _Bucket | None:
        if self._table is None:
            return None
        if self._old:
            place = hash(key) % len(self._old)
            if place >= self._moved:
                return self._old[place]
        return self._table[hash(key) % len(self._table)]

    def _bucket_to_write(self, key: Hashable) -> _Bucket:
        if self._table is None:
            self._table = [{} for _ in range(SMALLEST)]
        if self._old:
            self._move_one(self._table)
        elif self._size >= len(self._table):
            self._old, self._moved = self._table, 0
            self._table = [{} for _ in range(2 * len(self._old))]
        bucket = self._bucket(key)
        assert bucket is not None
        return bucket

    def _move_one(self, table: list[_Bucket]) -> None:
        for key, value in self._old[self._moved].items():
            table[hash(key) % len(table)][key] = value
        self._moved += 1
        if self._moved == len(self._old):
            self._old = []
