"""Broken: check-then-act. Two threads may both find a key missing in `setdefault`, and both set it.

Every other operation is one call of a built-in dict.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class CheckThenActDict:
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
        if key not in self._data:
            self._data[key] = default
            return default
        return self._data.get(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        return self._data.pop(key, *default)

    def clear(self) -> None:
        self._data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        return list(self._data.copy().items())

    def __len__(self) -> int:
        return len(self._data)
