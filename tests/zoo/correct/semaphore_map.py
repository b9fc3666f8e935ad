"""A map in the manner of Go's sync.Map, with a semaphore of one as its lock, taken and released by hand."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Semaphore
from typing import Any


class SemaphoreMap:
    def __init__(self) -> None:
        self._turn = Semaphore(1)
        self._data: dict[Hashable, Any] = {}

    def load(self, key: Hashable) -> tuple[Any, bool]:
        self._turn.acquire()
        try:
            return (self._data[key], True) if key in self._data else (None, False)
        finally:
            self._turn.release()

    def store(self, key: Hashable, value: Any) -> None:
        self._turn.acquire()
        try:
            self._data[key] = value
        finally:
            self._turn.release()

    def load_or_store(self, key: Hashable, value: Any) -> tuple[Any, bool]:
        self._turn.acquire()
        try:
            if key in self._data:
                return self._data[key], True
            self._data[key] = value
            return value, False
        finally:
            self._turn.release()

    def load_and_delete(self, key: Hashable) -> tuple[Any, bool]:
        self._turn.acquire()
        try:
            return (self._data.pop(key), True) if key in self._data else (None, False)
        finally:
            self._turn.release()

    def delete(self, key: Hashable) -> None:
        self.load_and_delete(key)

    def range(self) -> list[tuple[Hashable, Any]]:
        self._turn.acquire()
        try:
            return list(self._data.items())
        finally:
            self._turn.release()

    def clear(self) -> None:
        self._turn.acquire()
        try:
            self._data.clear()
        finally:
            self._turn.release()

    def __len__(self) -> int:
        self._turn.acquire()
        try:
            return len(self._data)
        finally:
            self._turn.release()
