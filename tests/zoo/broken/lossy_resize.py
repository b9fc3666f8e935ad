"""Broken: resize that loses writes. Each bucket has a lock, and the resize copies the buckets without taking them.

What another thread inserts into a bucket that is already copied is lost when the new table replaces the old one.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Any

_MISSING = object()


class _Bucket:
    def __init__(self) -> None:
        self.lock = Lock()
        self.pairs: dict[Hashable, Any] = {}


class LossyTable:
    def __init__(self) -> None:
        self._buckets = [_Bucket()]
        self._resizing = Lock()

    def get(self, key: Hashable, default: Any = None) -> Any:
        bucket = self._bucket(key)
        with bucket.lock:
            return bucket.pairs.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        bucket = self._bucket(key)
        with bucket.lock:
            return bucket.pairs[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        bucket = self._bucket(key)
        with bucket.lock:
            bucket.pairs[key] = value
        self._grow_if_full()

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        bucket = self._bucket(key)
        with bucket.lock:
            value = bucket.pairs.setdefault(key, default)
        self._grow_if_full()
        return value

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        bucket = self._bucket(key)
        with bucket.lock:
            value = bucket.pairs.pop(key, default)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def clear(self) -> None:
        for bucket in self._buckets:
            with bucket.lock:
                bucket.pairs.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        pairs: list[tuple[Hashable, Any]] = []
        for bucket in self._buckets:
            with bucket.lock:
                pairs.extend(bucket.pairs.items())
        return pairs

    def __len__(self) -> int:
        return len(self.items())

    def _bucket(self, key: Hashable) -> _Bucket:
        buckets = self._buckets
        return buckets[hash(key) % len(buckets)]

    def _grow_if_full(self) -> None:
        with self._resizing:
            if len(self) <= len(self._buckets):
                return
            bigger = [_Bucket() for _ in range(2 * len(self._buckets))]
            for bucket in self._buckets:
                for key, value in bucket.pairs.copy().items():
                    bigger[hash(key) % len(bigger)].pairs[key] = value
            self._buckets = bigger
