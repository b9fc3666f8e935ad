"""Broken: reader count not atomic. The first reader locks writers out and the last lets them in, by an unguarded count.

When an increment is lost, two readers think that they are the first, or the last.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class ReadersDict:
    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._readers = 0
        self._data: dict[Hashable, Any] = {}

    def _start_reading(self) -> None:
        self._readers += 1
        if self._readers == 1:
            self._writing.acquire()

    def _stop_reading(self) -> None:
        self._readers -= 1
        if self._readers == 0:
            self._writing.release()

    def get(self, key: Hashable, default: Any = None) -> Any:
        self._start_reading()
        try:
            return self._data.get(key, default)
        finally:
            self._stop_reading()

    def __getitem__(self, key: Hashable) -> Any:
        self._start_reading()
        try:
            return self._data[key]
        finally:
            self._stop_reading()

    def items(self) -> list[tuple[Hashable, Any]]:
        self._start_reading()
        try:
            return list(self._data.items())
        finally:
            self._stop_reading()

    def __len__(self) -> int:
        return len(self._data)

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._writing:
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._writing:
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._writing:
            return self._data.setdefault(key, default)
