"""No lock at all: each operation is exactly one call of a built-in dict, and those are atomic in CPython."""

from __future__ import annotations

from collections.abc import Hashable, ItemsView, Iterator
from typing import Any


class SingleCallDict:
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

    def __contains__(self, key: Hashable) -> bool:
        return key in self._data

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        return self._data.setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        return self._data.pop(key, *default)

    def clear(self) -> None:
        self._data.clear()

    def items(self) -> ItemsView[Hashable, Any]:
        return self._data.copy().items()

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._data.copy())

    def __len__(self) -> int:
        return len(self._data)
