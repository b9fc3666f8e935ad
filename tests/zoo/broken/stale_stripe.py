"""Broken: lock chosen before a resize. A thread that waited for a stripe's old lock goes on under it.

The resize holds all the locks and replaces them with more, so the same bucket then has two locks in use.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

_MISSING = object()


class GrowingStripes:
    """As many locks as buckets, two to begin with."""

    def __init__(self) -> None:
        self._locks = [Lock(), Lock()]
        self._buckets: list[dict[Hashable, Any]] = [{}, {}]

    @contextmanager
    def _locked(self, key: Hashable) -> Iterator[dict[Hashable, Any]]:
        locks = self._locks
        with locks[hash(key) % len(locks)]:
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

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._locked(key) as bucket:
            if key not in bucket:
                bucket[key] = default
            value = bucket[key]
        self._grow_if_full()
        return value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._locked(key) as bucket:
            if key in bucket:
                value = bucket[key]
                del bucket[key]
                return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._all_locked():
            return [pair for bucket in self._buckets for pair in bucket.items()]

    def __len__(self) -> int:
        return sum(map(len, self._buckets))

    def _grow_if_full(self) -> None:
        if len(self) <= 2 * len(self._buckets):
            return
        with self._all_locked():
            pairs = [pair for bucket in self._buckets for pair in bucket.items()]
            bigger: list[dict[Hashable, Any]] = [{} for _ in range(2 * len(self._buckets))]
            for key, value in pairs:
                bigger[hash(key) % len(bigger)][key] = value
            self._buckets = bigger
            self._locks = [Lock() for _ in bigger]

    @contextmanager
    def _all_locked(self) -> Iterator[None]:
        with ExitStack() as stack:
            for lock in self._locks:
                stack.enter_context(lock)
            yield
