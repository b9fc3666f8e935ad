"""Broken: made on first use, twice. Two threads that find a bucket missing both make one, and one bucket is lost.

Each bucket has its own lock, but nothing guards the list of buckets.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import Any

SIZE = 8


class _Bucket:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pairs: dict[Hashable, Any] = {}


class LazyTable:
    def __init__(self) -> None:
        self._buckets: list[_Bucket | None] = [None] * SIZE

    def _bucket(self, key: Hashable) -> _Bucket:
        place = hash(key) % SIZE
        if self._buckets[place] is None:
            self._buckets[place] = _Bucket()
        bucket = self._buckets[place]
        assert bucket is not None
        return bucket

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

    def __delitem__(self, key: Hashable) -> None:
        bucket = self._bucket(key)
        with bucket.lock:
            del bucket.pairs[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        bucket = self._bucket(key)
        with bucket.lock:
            return bucket.pairs.setdefault(key, default)

    def clear(self) -> None:
        for bucket in self._made():
            with bucket.lock:
                bucket.pairs.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        pairs: list[tuple[Hashable, Any]] = []
        for bucket in self._made():
            with bucket.lock:
                pairs.extend(bucket.pairs.items())
        return pairs

    def __len__(self) -> int:
        return len(self.items())

    def _made(self) -> Iterator[_Bucket]:
        return (bucket for bucket in self._buckets if bucket is not None)
