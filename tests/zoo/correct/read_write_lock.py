"""A map in the manner of Go's sync.Map behind a read-write lock, which is built from one Condition."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any


class _ReadWriteLock:
    """Many readers or one writer; a writer that waits keeps new readers out."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._writing and not self._writers_waiting)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        with self._changed:
            self._writers_waiting += 1
            self._changed.wait_for(lambda: not self._writing and not self._readers)
            self._writers_waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()


class ReadWriteMap:
    def __init__(self) -> None:
        self._lock = _ReadWriteLock()
        self._data: dict[Hashable, Any] = {}

    def load(self, key: Hashable) -> tuple[Any, bool]:
        with self._lock.read():
            return self._found(key)

    def store(self, key: Hashable, value: Any) -> None:
        with self._lock.write():
            self._data[key] = value

    def load_or_store(self, key: Hashable, value: Any) -> tuple[Any, bool]:
        with self._lock.write():
            actual, loaded = self._found(key)
            if loaded:
                return actual, True
            self._data[key] = value
            return value, False

    def load_and_delete(self, key: Hashable) -> tuple[Any, bool]:
        with self._lock.write():
            found = self._found(key)
            self._data.pop(key, None)
            return found

    def delete(self, key: Hashable) -> None:
        with self._lock.write():
            self._data.pop(key, None)

    def swap(self, key: Hashable, value: Any) -> tuple[Any, bool]:
        with self._lock.write():
            previous = self._found(key)
            self._data[key] = value
            return previous

    def compare_and_swap(self, key: Hashable, old: Any, new: Any) -> bool:
        with self._lock.write():
            if self._found(key) != (old, True):
                return False
            self._data[key] = new
            return True

    def compare_and_delete(self, key: Hashable, old: Any) -> bool:
        with self._lock.write():
            if self._found(key) != (old, True):
                return False
            del self._data[key]
            return True

    def range(self) -> list[tuple[Hashable, Any]]:
        with self._lock.read():
            return list(self._data.items())

    def clear(self) -> None:
        with self._lock.write():
            self._data.clear()

    def __len__(self) -> int:
        with self._lock.read():
            return len(self._data)

    def _found(self, key: Hashable) -> tuple[Any, bool]:
        return (self._data[key], True) if key in self._data else (None, False)
