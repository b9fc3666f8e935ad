"""Broken: lost wakeup. A monitor by hand looks whether it is occupied before it takes the lock it would wait under.

The thread inside may leave between the look and the wait; its notification is lost, and the waiter sleeps for ever.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from typing import Any


class SleepyMonitorMap:
    def __init__(self) -> None:
        self._entry = threading.Lock()
        self._left = threading.Condition()
        self._data: dict[Hashable, Any] = {}

    @contextlib.contextmanager
    def _inside(self) -> Iterator[dict[Hashable, Any]]:
        while not self._entry.acquire(blocking=False):
            with self._left:
                self._left.wait()
        try:
            yield self._data
        finally:
            self._entry.release()
            with self._left:
                self._left.notify()

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._inside() as data:
            return data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._inside() as data:
            return data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._inside() as data:
            data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._inside() as data:
            del data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._inside() as data:
            return data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._inside() as data:
            return data.pop(key, *default)

    def clear(self) -> None:
        with self._inside() as data:
            data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._inside() as data:
            return list(data.items())

    def __len__(self) -> int:
        with self._inside() as data:
            return len(data)
