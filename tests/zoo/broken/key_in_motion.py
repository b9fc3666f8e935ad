"""Broken: key in motion between two tables. Reading an old key makes it young again; on its way it is in neither.

Another reader that looks into both just then finds it in neither of them.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

_MISSING = object()
FULL = 2


class GenerationalDict:
    """What is used stays young; what was not used since the last turn is old. Every step is one call of a dict."""

    def __init__(self) -> None:
        self._young: dict[Hashable, Any] = {}
        self._old: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        value = self._young.get(key, _MISSING)
        if value is not _MISSING:
            return value
        value = self._old.pop(key, _MISSING)
        if value is _MISSING:
            return default
        return self._young.setdefault(key, value)

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        if len(self._young) >= FULL:
            self._old = {**self._old, **self._young}
            self._young = {}
        self._young[key] = value
        self._old.pop(key, None)

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        value = self.get(key, _MISSING)
        return self._young.setdefault(key, default) if value is _MISSING else value

    def items(self) -> list[tuple[Hashable, Any]]:
        return list({**self._old, **self._young}.items())

    def __len__(self) -> int:
        return len(self._old) + len(self._young)
