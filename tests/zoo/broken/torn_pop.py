"""Broken: check-then-act. `pop` with a default looks, then deletes: of two that pop one key, one gets a KeyError."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any


class TornPopDict:
    def __init__(self) -> None:
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        if default and key not in self._data:
            return default[0]
        value = self._data[key]
        del self._data[key]
        return value

    def clear(self) -> None:
        self._data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        return list(self._data.copy().items())

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._data.copy())

    def __len__(self) -> int:
        return len(self._data)
