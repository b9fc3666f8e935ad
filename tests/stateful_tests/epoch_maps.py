"""A map that loses an acknowledged key, but only with two preemptions or more; and the same with a lock."""

from __future__ import annotations

import threading
from typing import Any


class EpochMap:
    """Broken: a writer takes an epoch that is even and still the same afterwards for the proof that nobody resized
    meanwhile. Two that resize at once make it even half way."""

    def __init__(self) -> None:
        self.epoch = 0
        self.table: dict[Any, Any] = {}

    def put(self, key: Any, value: Any) -> bool:
        epoch = self.epoch
        if epoch % 2:
            return False
        table = self.table
        table[key] = value
        return self.epoch == epoch

    def resize(self) -> None:
        self.epoch += 1
        table = dict(self.table)
        self.table = table
        self.epoch += 1


class LockedEpochMap(EpochMap):
    """Right: a resize is one with the lock, and so is a put."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def put(self, key: Any, value: Any) -> bool:
        with self.lock:
            return super().put(key, value)

    def resize(self) -> None:
        with self.lock:
            super().resize()
