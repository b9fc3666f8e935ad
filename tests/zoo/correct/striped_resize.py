"""A few locks for many buckets. A key's lock never changes, its bucket does: the resize takes all the locks.

The number of buckets is a multiple of the number of locks, so keys of one bucket always share a lock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

STRIPES = 2


class StripedTable:
    def __init__(self) -> None:
        self._locks = [Lock() for _ in range(STRIPES)]
        self._buckets: list[dict[Hashable, Any]] = [{} for _ in range(STRIPES)]

    @contextmanager
    def _locked(self, key: Hashable) -> Iterator[dict[Hashable, Any]]:
        with self._locks[hash(key) % STRIPES]:
            yield self._buckets[hash(key) % len(self._buckets)]

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._locked(key) as bucket:
            return bucket.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._locked(key) as bucket:
            return bucket[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._locked(key) as bucket:
            bucket[key] = value
        self._grow_if_full()

    def __delitem__(self, key: Hashable) -> None:
        with self._locked(key) as bucket:
            del bucket[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._locked(key) as bucket:
            value = bucket.setdefault(key, default)
        self._grow_if_full()
        return value

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._locked(key) as bucket:
            return bucket.pop(key, *default)

    def clear(self) -> None:
        with self._all_locked():
            for bucket in self._buckets:
                bucket.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._all_locked():
            return [pair for bucket in self._buckets for pair in bucket.items()]

    def __len__(self) -> int:
        with self._all_locked():
            return self._size()

    def _size(self) -> int:
        return sum(map(len, self._buckets))

    def _grow_if_full(self) -> None:
        if self._size() <= len(self._buckets):  # a guess, without a lock
            return
        with self._all_locked():
            if self._size() <= len(self._buckets):
                return
            bigger: list[dict[Hashable, Any]] = [{} for _ in range(2 * len(self._buckets))]
            for bucket in self._buckets:
                for key, value in bucket.items():
                    bigger[hash(key) % len(bigger)][key] = value
            self._buckets = bigger

    @contextmanager
    def _all_locked(self) -> Iterator[None]:
        with ExitStack() as stack:
            for lock in self._locks:
                stack.enter_context(lock)
            yield
