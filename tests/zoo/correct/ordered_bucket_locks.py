"""Buckets with a lock each. What needs several locks takes them in the order of the buckets, so nothing deadlocks."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any


@dataclass
class _Bucket:
    lock: Lock = field(default_factory=Lock)
    pairs: dict[Hashable, Any] = field(default_factory=dict)


class BucketMap:
    def __init__(self) -> None:
        self._buckets = [_Bucket() for _ in range(4)]

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

    def pop(self, key: Hashable, *default: Any) -> Any:
        bucket = self._bucket(key)
        with bucket.lock:
            return bucket.pairs.pop(key, *default)

    def move(self, old_key: Hashable, new_key: Hashable) -> None:
        """Give the value of one key to another, in one step. Raises KeyError."""
        with self._locked(old_key, new_key):
            value = self._bucket(old_key).pairs.pop(old_key)
            self._bucket(new_key).pairs[new_key] = value

    def clear(self) -> None:
        with self._all_locked():
            for bucket in self._buckets:
                bucket.pairs.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._all_locked():
            return [pair for bucket in self._buckets for pair in bucket.pairs.items()]

    def __len__(self) -> int:
        with self._all_locked():
            return sum(len(bucket.pairs) for bucket in self._buckets)

    def _index(self, key: Hashable) -> int:
        return hash(key) % len(self._buckets)

    def _bucket(self, key: Hashable) -> _Bucket:
        return self._buckets[self._index(key)]

    @contextmanager
    def _locked(self, *keys: Hashable) -> Iterator[None]:
        with ExitStack() as stack:
            for index in sorted({self._index(key) for key in keys}):
                stack.enter_context(self._buckets[index].lock)
            yield

    @contextmanager
    def _all_locked(self) -> Iterator[None]:
        with ExitStack() as stack:
            for bucket in self._buckets:
                stack.enter_context(bucket.lock)
            yield
