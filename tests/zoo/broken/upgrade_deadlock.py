"""Broken: lock upgrade. `setdefault` goes from the read lock to the write lock while it is still a reader.

The lock is right, but two threads that upgrade at once wait for each other to stop reading: a deadlock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any


class _ReadWriteLock:
    def __init__(self) -> None:
        self._changed = Condition()
        self._readers = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        with self._changed:
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def write(self, readers_of_mine: int = 0) -> Iterator[None]:
        with self._changed:
            while self._readers > readers_of_mine:
                self._changed.wait()
            yield


class UpgradingDict:
    def __init__(self) -> None:
        self._lock = _ReadWriteLock()
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock.read():
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock.read():
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock.write():
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock.write():
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock.read():
            if key in self._data:
                return self._data[key]
            with self._lock.write(readers_of_mine=1):
                return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock.write():
            return self._data.pop(key, *default)

    def clear(self) -> None:
        with self._lock.write():
            self._data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock.read():
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock.read():
            return len(self._data)
