"""Broken: slot handed out twice. A new key goes to the end of the table, and two threads may read the same end.

One key then answers with the other's value.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class ColumnStore:
    """Values in one list, so that they can be handed to numpy; a dict says which row is whose."""

    def __init__(self) -> None:
        self._rows: dict[Hashable, int] = {}
        self._column: list[Any] = []

    def get(self, key: Hashable, default: Any = None) -> Any:
        row = self._rows.get(key)
        return default if row is None else self._column[row]

    def __getitem__(self, key: Hashable) -> Any:
        return self._column[self._rows[key]]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        row = self._rows.get(key)
        if row is not None:
            self._column[row] = value
            return
        row = len(self._column)
        self._column.append(value)
        self._rows[key] = row

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        if key not in self._rows:
            self[key] = default
        return self[key]

    def items(self) -> list[tuple[Hashable, Any]]:
        return [(key, self._column[row]) for key, row in self._rows.copy().items()]

    def __len__(self) -> int:
        return len(self._rows)
