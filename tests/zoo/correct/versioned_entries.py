"""Entries with a version, written optimistically: look without a lock, then write under it if the version is the same.

An entry is never changed, only replaced by one with the next version; a removed key keeps its entry, without a value.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, NamedTuple

_MISSING = object()


class _Entry(NamedTuple):
    version: int
    value: Any


_NEVER = _Entry(0, _MISSING)


class VersionedDict:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}

    def _replace(self, key: Hashable, seen: _Entry, value: Any) -> bool:
        with self._lock:
            if self._entries.get(key, _NEVER).version != seen.version:
                return False
            self._entries[key] = _Entry(seen.version + 1, value)
            return True

    def get(self, key: Hashable, default: Any = None) -> Any:
        value = self._entries.get(key, _NEVER).value
        return default if value is _MISSING else value

    def __getitem__(self, key: Hashable) -> Any:
        value = self._entries.get(key, _NEVER).value
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        while not self._replace(key, self._entries.get(key, _NEVER), value):
            pass

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        while True:
            seen = self._entries.get(key, _NEVER)
            if seen.value is not _MISSING:
                return seen.value
            if self._replace(key, seen, default):
                return default

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        while True:
            seen = self._entries.get(key, _NEVER)
            if seen.value is _MISSING:
                break
            if self._replace(key, seen, _MISSING):
                return seen.value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        entries = self._entries.copy()
        return [(key, entry.value) for key, entry in entries.items() if entry.value is not _MISSING]

    def __len__(self) -> int:
        return len(self.items())
