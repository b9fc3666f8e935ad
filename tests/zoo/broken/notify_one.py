"""Broken: notify where notify_all is needed. The one that wakes up may be one that still may not enter.

Readers stand back for writers that wait. A writer that leaves wakes a reader, which lies down again, and no other.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from typing import Any


class _ReadWriteLock:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0

    @contextlib.contextmanager
    def read(self) -> Iterator[None]:
        with self._changed:
            while self._writing or self._writers_waiting:
                self._changed.wait()
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify()

    @contextlib.contextmanager
    def write(self) -> Iterator[None]:
        with self._changed:
            self._writers_waiting += 1
            while self._writing or self._readers:
                self._changed.wait()
            self._writers_waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify()


class WritersFirstDict:
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
        with self._lock.write():
            return self._data.setdefault(key, default)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock.read():
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock.read():
            return len(self._data)
