"""Plain Python to be explored by `explorer.py`: nothing here knows of it."""

from __future__ import annotations

from typing import Any


class Ledger:
    """Two dicts and a counter without a lock; the instructions of `put` and `get` together touch them 18 times."""

    def __init__(self) -> None:
        self.values: dict[Any, Any] = {}
        self.owners: dict[Any, int] = {}
        self.count = 0

    def put(self, owner: int, key: Any, value: Any) -> None:
        if key not in self.values:
            self.count += 1
        self.values[key] = value
        self.owners[key] = owner
        if self.owners[key] != owner:
            self.count = len(self.values)

    def get(self, key: Any) -> Any:
        if key in self.values and key in self.owners:
            return self.values[key]
        return self.count
