"""The obvious concurrent map: Go's RWMutex around one dictionary.

The idea: every operation is one critical section, so each takes effect at one moment while the lock is held,
`range`, `len` and `clear` included. It is what the cleverer maps are held against. `range` copies the pairs under
the read lock and calls back without it, so that the callback may use the map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar, overload

from mapproof.impl.rwmutex_invariants import RWMutexWatch
from mapproof.impl.sync import PlainDict, RWMutex
from mapproof.spec.claims import Claims, Contract
from mapproof.spec.values import ABSENT

K = TypeVar("K")
V = TypeVar("V")


class RWMutexMap(Generic[K, V]):
    """A concurrent map, usable from any number of threads without further locks.

    Keys are told apart as a dict does, values by `==` (so `1`, `1.0` and `True` are one key, or one old value).
    A key or a value that calls the map from its `__eq__`, `__hash__` or `__del__` may deadlock, as these run while
    `mu` is held.
    """

    __slots__ = ("items", "mu")

    claims: ClassVar[Claims] = Claims(range=Contract.ATOMIC, len=Contract.ATOMIC, clear=Contract.ATOMIC)

    def __init__(self) -> None:
        self.mu = RWMutex("mu")
        self.items: PlainDict[K, V] = PlainDict("items")

    def load(self, key: K) -> tuple[V | None, bool]:
        """`(value, True)` or `(None, False)`."""
        with self.mu.reading():
            return self._get(key)

    def store(self, key: K, value: V) -> None:
        """Set the value of the key."""
        with self.mu.writing():
            self.items[key] = value

    def load_or_store(self, key: K, value: V) -> tuple[V, bool]:
        """`(actual, True)` if the key was there, else `(value, False)`."""
        with self.mu.writing():
            actual: V = self.items.get(key, ABSENT)
            if actual is not ABSENT:
                return actual, True
            self.items[key] = value
            return value, False

    def load_and_delete(self, key: K) -> tuple[V | None, bool]:
        """Delete the key; what it held."""
        with self.mu.writing():
            found = self._get(key)
            self.items.pop(key)
            return found

    def delete(self, key: K) -> None:
        """Delete the key if it is there."""
        with self.mu.writing():
            self.items.pop(key)

    def swap(self, key: K, value: V) -> tuple[V | None, bool]:
        """Set the value of the key; what it held before."""
        with self.mu.writing():
            previous = self._get(key)
            self.items[key] = value
            return previous

    def compare_and_swap(self, key: K, old: V, new: V) -> bool:
        """Replace the value if it equals `old`; a missing key equals nothing."""
        with self.mu.writing():
            value, present = self._get(key)
            if not (present and value == old):
                return False
            self.items[key] = new
            return True

    def compare_and_delete(self, key: K, old: V) -> bool:
        """Delete the key if its value equals `old`."""
        with self.mu.writing():
            value, present = self._get(key)
            if not (present and value == old):
                return False
            self.items.pop(key)
            return True

    @overload
    def range(self) -> list[tuple[K, V]]: ...
    @overload
    def range(self, f: Callable[[K, V], bool]) -> None: ...
    def range(self, f: Callable[[K, V], bool] | None = None) -> list[tuple[K, V]] | None:
        """Call `f(key, value)` for each pair of one moment until it answers false; without `f`, the pairs."""
        with self.mu.reading():
            pairs = list(self.items.items())
        if f is None:
            return pairs
        for key, value in pairs:
            if not f(key, value):
                break
        return None

    def clear(self) -> None:
        """Delete every key."""
        with self.mu.writing():
            self.items.clear()

    def len(self) -> int:
        """The number of keys."""
        with self.mu.reading():
            return len(self.items)

    def __len__(self) -> int:
        return self.len()

    def check_invariants(self) -> None:
        """Raise AssertionError unless the lock is free. Only for a map that no thread is using."""
        if not self.mu.at_rest():
            raise AssertionError("mu is held or waited for, so the map is not at rest")

    def step_invariants(self) -> Callable[[], None]:
        """What to call between any two accesses of any threads; raises AssertionError if mu's words cannot be, or
        since the last call `items` changed while no writer had mu for itself."""
        mu = RWMutexWatch(self.mu)
        last: dict[K, V] | None = None

        def check() -> None:
            nonlocal last
            mu.look()
            items = dict(self.items.peek())
            if last is not None and not mu.writer_may_be_inside and not _same_pairs(items, last):
                raise AssertionError("items changed, but no writer has mu for itself")
            last = items

        return check

    def _get(self, key: K) -> tuple[V | None, bool]:
        value = self.items.get(key, ABSENT)
        return (None, False) if value is ABSENT else (value, True)


def _same_pairs(one: dict[K, V], other: dict[K, V]) -> bool:
    """The very same objects in the same order; `==` might run code of theirs."""
    return len(one) == len(other) and all(
        a is b and one[a] is other[b] for a, b in zip(one, other, strict=True)
    )
