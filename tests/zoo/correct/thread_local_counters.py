"""A locked dict that counts reads without a lock: each thread has counters of its own in a threading.local."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable
from typing import Any


class CountingDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[Hashable, Any] = {}
        self._mine = threading.local()
        self._all: list[tuple[int, Counter[str]]] = []

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            present = key in self._data
            value = self._data.get(key, default)
        self._counters()["hits" if present else "misses"] += 1
        return value

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            return self._data.pop(key, *default)

    def clear(self) -> None:
        with self._lock:
            self._data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)

    def reads(self) -> dict[int, Counter[str]]:
        """Hits and misses by thread ident (Python reuses idents, so one may stand for several threads)."""
        with self._lock:
            total: dict[int, Counter[str]] = {}
            for ident, counters in self._all:
                total.setdefault(ident, Counter()).update(counters)
            return total

    def _counters(self) -> Counter[str]:
        counters: Counter[str] | None = getattr(self._mine, "counters", None)
        if counters is None:
            counters = self._mine.counters = Counter(
                hits=0, misses=0
            )  # both keys now: no resize while others read
            with self._lock:
                self._all.append((threading.get_ident(), counters))
        return counters
