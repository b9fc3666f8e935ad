"""Broken: an Event for a lock. To wait until the gate is open and to close it behind oneself are two steps.

Two threads may come through the open gate before either of them closes it.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Event
from types import TracebackType
from typing import Any

_MISSING = object()


class _Gate:
    def __init__(self) -> None:
        self._open = Event()
        self._open.set()

    def __enter__(self) -> None:
        self._open.wait()
        self._open.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.set()


class GatedDict:
    def __init__(self) -> None:
        self._gate = _Gate()
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._gate:
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._gate:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._gate:
            self._data[key] = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._gate:
            value = self._data.get(key, _MISSING)
            if value is _MISSING:
                value = self._data[key] = default
            return value

    def __delitem__(self, key: Hashable) -> None:
        with self._gate:
            del self._data[key]

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._gate:
            return list(self._data.copy().items())

    def __len__(self) -> int:
        with self._gate:
            return len(self._data)
