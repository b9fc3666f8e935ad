"""Objects that a user may have written, each wrong and right, in a file of their own as objects under test are."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any


class Counter:
    """Loses an increment: `+=` reads, then writes."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        self.count += 1

    def value(self) -> int:
        return self.count


class LockedCounter(Counter):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def increment(self) -> None:
        with self.lock:
            super().increment()


class LostWakeUp:
    """A queue of one item. One condition for two reasons to wait, and `notify` may wake whom it is no use to."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.changed = threading.Condition()

    def put(self, item: int) -> None:
        with self.changed:
            while self.items:
                self.changed.wait()
            self.items.append(item)
            self.wake()

    def get(self) -> int:
        with self.changed:
            while not self.items:
                self.changed.wait()
            item = self.items.pop()
            self.wake()
            return item

    def wake(self) -> None:
        self.changed.notify()


class BoundedQueue(LostWakeUp):
    def wake(self) -> None:
        self.changed.notify_all()


class Bank:
    """Reads a balance, writes it later."""

    def __init__(self) -> None:
        self.balances = {"a": 5, "b": 5}

    def transfer(self, source: str, to: str, amount: int) -> bool:
        if self.balances[source] < amount:
            return False
        self.balances[source] -= amount
        self.balances[to] += amount
        return True

    def total(self) -> int:
        return sum(self.balances.values())


class LockedBank(Bank):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()

    def transfer(self, source: str, to: str, amount: int) -> bool:
        with self.lock:
            return super().transfer(source, to, amount)

    def total(self) -> int:
        with self.lock:
            return super().total()


class Cache:
    """Two threads that miss at once make two values, of which one was answered and is gone."""

    def __init__(self) -> None:
        self.values: dict[int, int] = {}
        self.made = 0

    def get(self, key: int) -> int:
        if key not in self.values:
            self.made += 1
            self.values[key] = self.made
        return self.values[key]

    def forget(self, key: int) -> bool:
        return self.values.pop(key, None) is not None


class LockedCache(Cache):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def get(self, key: int) -> int:
        with self.lock:
            return super().get(key)

    def forget(self, key: int) -> bool:
        with self.lock:
            return super().forget(key)


class Files:
    """Opens files, each an object of its own."""

    def __init__(self) -> None:
        self.opened: list[File] = []

    def open(self) -> File:
        file = File()
        self.opened.append(file)
        return file


class File:
    """Says when it is written to after it was closed."""

    def __init__(self) -> None:
        self.closed = False
        self.size = 0

    def write(self) -> int:
        assert not self.closed
        self.size += 1
        return self.size

    def close(self) -> None:
        self.closed = True


class Moody:
    """Depends on chance."""

    def __init__(self) -> None:
        self.mood = random.SystemRandom().random()

    def ask(self) -> float:
        return self.mood


class Gap:
    """Wrong for a moment only: `low` passes `high` and comes back."""

    def __init__(self) -> None:
        self.low, self.high = 0, 2

    def swing(self) -> None:
        self.low = 5
        self.low = 1


Make = Callable[[], Any]
