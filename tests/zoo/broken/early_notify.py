"""Broken: notified before the change. The thread that leaves wakes a waiter first and clears the flag second.

The waiter finds the flag still set, lies down again, and nobody wakes it any more.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class BusyFlagDict:
    def __init__(self) -> None:
        self._turn = threading.Condition(threading.Lock())
        self._busy = False
        self._data: dict[Hashable, Any] = {}

    def _enter(self) -> None:
        with self._turn:
            while self._busy:
                self._turn.wait()
            self._busy = True

    def _leave(self) -> None:
        with self._turn:
            self._turn.notify()
        self._busy = False

    def get(self, key: Hashable, default: Any = None) -> Any:
        self._enter()
        try:
            return self._data.get(key, default)
        finally:
            self._leave()

    def __getitem__(self, key: Hashable) -> Any:
        self._enter()
        try:
            return self._data[key]
        finally:
            self._leave()

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._enter()
        try:
            self._data[key] = value
        finally:
            self._leave()

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        self._enter()
        try:
            return self._data.setdefault(key, default)
        finally:
            self._leave()

    def items(self) -> list[tuple[Hashable, Any]]:
        self._enter()
        try:
            return list(self._data.items())
        finally:
            self._leave()

    def __len__(self) -> int:
        return len(self._data)
