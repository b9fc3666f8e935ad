"""Broken: check-then-act. Spelled with `except KeyError`: between the failed read and the write the key may appear."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Hashable
from typing import Any


class ForgivingDict(UserDict[Hashable, Any]):
    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        try:
            return self.data[key]
        except KeyError:
            self.data[key] = default
            return default

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self.data.get(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        return self.data.pop(key, *default)

    def items(self) -> Any:
        return self.data.copy().items()

    def clear(self) -> None:
        self.data.clear()
