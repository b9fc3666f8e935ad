"""Broken: unlocked splice of a linked list. Reading moves an entry to the front, "which changes no value".

Two threads that splice at once tie the list around each other's entries, and entries fall out of it.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import Any

_MISSING = object()


class _Entry:
    __slots__ = ("after", "before", "key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value
        self.before = self.after = self


class RecentlyUsed:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}
        self._front = _Entry(None, None)

    def get(self, key: Hashable, default: Any = None) -> Any:
        entry = self._entries.get(key)
        if entry is None:
            return default
        self._unlink(entry)
        self._link(entry)
        return entry.value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self._add(key, value)
            else:
                entry.value = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._add(key, default)
            return entry.value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._unlink(entry)
                return entry.value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return [(entry.key, entry.value) for entry in self._in_order()]

    def __len__(self) -> int:
        return len(self._entries)

    def _add(self, key: Hashable, value: Any) -> _Entry:
        entry = self._entries[key] = _Entry(key, value)
        self._link(entry)
        return entry

    def _link(self, entry: _Entry) -> None:
        entry.before = self._front
        entry.after = self._front.after
        self._front.after.before = entry
        self._front.after = entry

    def _unlink(self, entry: _Entry) -> None:
        entry.before.after = entry.after
        entry.after.before = entry.before

    def _in_order(self) -> Iterator[_Entry]:
        entry = self._front.after
        while entry is not self._front:
            yield entry
            entry = entry.after
