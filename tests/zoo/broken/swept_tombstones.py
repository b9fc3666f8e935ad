"""Broken: write to a slot that was swept away. A deleted key leaves a tombstone, which a store brings back to life.

The store finds the tombstone before it takes the lock; a sweep in between drops it, and the store is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

_TOMBSTONE = object()
_MISSING = object()


class _Slot:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class TombstoneDict:
    """Keys come and go and come again, so slots are kept until as many are dead as alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[Hashable, _Slot] = {}
        self._dead = 0

    def get(self, key: Hashable, default: Any = None) -> Any:
        slot = self._slots.get(key)
        if slot is None:
            return default
        value = slot.value
        return default if value is _TOMBSTONE else value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        slot = self._slots.get(key)
        with self._lock:
            if slot is None:
                self._slots[key] = _Slot(value)
                return
            if slot.value is _TOMBSTONE:
                self._dead -= 1
            slot.value = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot(default))
            if slot.value is _TOMBSTONE:
                self._dead -= 1
                slot.value = default
            return slot.value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock:
            slot = self._slots.get(key)
            if slot is not None and slot.value is not _TOMBSTONE:
                value, slot.value = slot.value, _TOMBSTONE
                self._dead += 1
                self._sweep_if_worth_it()
                return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return [(key, slot.value) for key, slot in self._slots.items() if slot.value is not _TOMBSTONE]

    def __len__(self) -> int:
        return len(self.items())

    def _sweep_if_worth_it(self) -> None:
        if 2 * self._dead > len(self._slots):
            self._slots = {key: slot for key, slot in self._slots.items() if slot.value is not _TOMBSTONE}
            self._dead = 0
