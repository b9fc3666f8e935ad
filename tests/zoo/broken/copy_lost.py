"""Broken: copy-on-write with a lost race. Two writers copy one dict, and the second to publish drops the first's key.

Readers need no lock, and neither do writers, its author thought: each works on a copy of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, ItemsView
from typing import Any


class LocklessDict:
    def __init__(self) -> None:
        self._current: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._current.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._current[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._current = {**self._current, key: value}

    def __delitem__(self, key: Hashable) -> None:
        changed = self._current.copy()
        del changed[key]
        self._current = changed

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        changed = self._current.copy()
        value = changed.setdefault(key, default)
        self._current = changed
        return value

    def clear(self) -> None:
        self._current = {}

    def items(self) -> ItemsView[Hashable, Any]:
        return self._current.items()

    def __len__(self) -> int:
        return len(self._current)
