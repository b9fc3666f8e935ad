"""Broken: `if` in place of `while` around a wait. Who is woken does not look whether somebody slipped in meanwhile.

A monitor by hand: the flag says that a thread is inside, and the condition that it has left.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from typing import Any

_MISSING = object()


class HastyMonitorMap:
    def __init__(self) -> None:
        self._free = threading.Condition()
        self._occupied = False
        self._data: dict[Hashable, Any] = {}

    @contextlib.contextmanager
    def _inside(self) -> Iterator[dict[Hashable, Any]]:
        with self._free:
            if self._occupied:
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

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._inside() as data:
            if key not in data:
                data[key] = default
                return default
            return data[key]

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._inside() as data:
            if key in data:
                value = data[key]
                del data[key]
                return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._inside() as data:
            return list(data.items())

    def __len__(self) -> int:
        with self._inside() as data:
            return len(data)
