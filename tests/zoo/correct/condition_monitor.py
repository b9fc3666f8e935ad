"""A monitor by hand: one thread is inside at a time, the others wait on a Condition until it leaves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from typing import Any


class MonitorMap:
    def __init__(self) -> None:
        self._free = threading.Condition()
        self._occupied = False
        self._data: dict[Hashable, Any] = {}

    @contextlib.contextmanager
    def _inside(self) -> Iterator[dict[Hashable, Any]]:
        with self._free:
            while self._occupied:
                self._free.wait()
            self._occupied = True
        try:
            yield self._data
        finally:
            with self._free:
                self._occupied = False
                self._free.notify()

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
            if key in data:
                return data[key]
            data[key] = default
            return default

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
