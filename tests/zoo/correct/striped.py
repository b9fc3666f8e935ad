"""Sixteen dicts, each under its own lock, chosen by hash. `len`, `items` and `clear` go stripe by stripe."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from threading import Lock
from typing import Any

STRIPES = 16


class StripedDict:
    def __init__(self) -> None:
        self._locks = [Lock() for _ in range(STRIPES)]
        self._parts: list[dict[Hashable, Any]] = [{} for _ in range(STRIPES)]

    def _stripe(self, key: Hashable) -> tuple[Lock, dict[Hashable, Any]]:
        index = hash(key) % STRIPES
        return self._locks[index], self._parts[index]

    def get(self, key: Hashable, default: Any = None) -> Any:
        lock, part = self._stripe(key)
        with lock:
            return part.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        lock, part = self._stripe(key)
        with lock:
            return part[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        lock, part = self._stripe(key)
        with lock:
            part[key] = value

    def __delitem__(self, key: Hashable) -> None:
        lock, part = self._stripe(key)
        with lock:
            del part[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        lock, part = self._stripe(key)
        with lock:
            return part.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        lock, part = self._stripe(key)
        with lock:
            return part.pop(key, *default)

    def clear(self) -> None:
        for lock, part in zip(self._locks, self._parts, strict=True):
            with lock:
                part.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        pairs: list[tuple[Hashable, Any]] = []
        for lock, part in zip(self._locks, self._parts, strict=True):
            with lock:
                pairs.extend(part.items())
        return pairs

    def __iter__(self) -> Iterator[Hashable]:
        return iter([key for key, _ in self.items()])

    def __len__(self) -> int:
        total = 0
        for lock, part in zip(self._locks, self._parts, strict=True):
            with lock:
                total += len(part)
        return total
