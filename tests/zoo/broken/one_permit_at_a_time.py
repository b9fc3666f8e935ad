"""Broken: permits taken one by one. A reader takes one permit and a writer all of them, so two writers get stuck.

Each holds some and waits for the rest: a deadlock.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from typing import Any

READERS = 4


class PermitMap:
    def __init__(self) -> None:
        self._permits = threading.BoundedSemaphore(READERS)
        self._data: dict[Hashable, Any] = {}

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        for _ in range(READERS):
            self._permits.acquire()
        try:
            yield
        finally:
            self._permits.release(READERS)

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._permits:
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._permits:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._writing():
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._writing():
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._writing():
            return self._data.setdefault(key, default)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._permits:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._permits:
            return len(self._data)
