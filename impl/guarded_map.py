"""Go's built-in map behind Go's RWMutex: how a plain map is shared when nothing cleverer is wanted.

The idea: the built-in map grows, moves its buckets and marks its flag in writers only, and a writer is alone. So a
growth under the lock meets nobody: readers find it where the last writer left it, perhaps half done, and that is a
state which a reader understands. Every operation is one critical section, `range`, `len` and `clear` included;
`range` copies the pairs under the read lock and calls back without it, so that the callback may use the map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, overload

from mapproof.impl.plain_map import PlainMap
from mapproof.impl.plain_map_buckets import HASH_WRITING, HashFunction, hash64
from mapproof.impl.plain_map_steps import elements_of, same_objects
from mapproof.impl.rwmutex_invariants import RWMutexWatch
from mapproof.impl.sync import RWMutex
from mapproof.spec.claims import Claims, Contract

K = TypeVar("K")
V = TypeVar("V")


class GuardedMap(Generic[K, V]):
    """A concurrent map, usable from any number of threads without further locks.

    Keys, `hint`, `seed` and `hash_function` are those of `PlainMap`; values are compared by `==`. A key or a value
    that calls the map from its `__eq__`, `__hash__` or `__del__` may deadlock, as these run while `mu` is held.
    """

    __slots__ = ("items", "mu")

    claims: ClassVar[Claims] = Claims(range=Contract.ATOMIC, len=Contract.ATOMIC, clear=Contract.ATOMIC)

    def __init__(self, hint: int = 0, *, seed: int = 0, hash_function: HashFunction = hash64) -> None:
        self.mu = RWMutex("mu")
        self.items: PlainMap[K, V] = PlainMap(hint, seed=seed, hash_function=hash_function)

    def load(self, key: K) -> tuple[V | None, bool]:
        """`(value, True)` or `(None, False)`."""
        with self.mu.reading():
            return self.items.load(key)

    def store(self, key: K, value: V) -> None:
        """Set the value of the key."""
        with self.mu.writing():
            self.items.store(key, value)

    def load_or_store(self, key: K, value: V) -> tuple[V | None, bool]:
        """`(actual, True)` if the key was there, else `(value, False)`."""
        with self.mu.writing():
            actual, loaded = self.items.load(key)
            if loaded:
                return actual, True
            self.items.store(key, value)
            return value, False

    def load_and_delete(self, key: K) -> tuple[V | None, bool]:
        """Delete the key; what it held."""
        with self.mu.writing():
            found = self.items.load(key)
            self.items.delete(key)
            return found

    def delete(self, key: K) -> None:
        """Delete the key if it is there."""
        with self.mu.writing():
            self.items.delete(key)

    def swap(self, key: K, value: V) -> tuple[V | None, bool]:
        """Set the value of the key; what it held before."""
        with self.mu.writing():
            previous = self.items.load(key)
            self.items.store(key, value)
            return previous

    def compare_and_swap(self, key: K, old: V, new: V) -> bool:
        """Replace the value if it equals `old`; a missing key equals nothing."""
        with self.mu.writing():
            matches = self._holds(key, old)
            if matches:
                self.items.store(key, new)
            return matches

    def compare_and_delete(self, key: K, old: V) -> bool:
        """Delete the key if its value equals `old`."""
        with self.mu.writing():
            matches = self._holds(key, old)
            if matches:
                self.items.delete(key)
            return matches

    @overload
    def range(self) -> list[tuple[K, V]]: ...
    @overload
    def range(self, f: Callable[[K, V], bool]) -> None: ...
    def range(self, f: Callable[[K, V], bool] | None = None) -> list[tuple[K, V]] | None:
        """Call `f(key, value)` for each pair of one moment until it answers false; without `f`, the pairs."""
        with self.mu.reading():
            pairs = self.items.range()
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
            return self.items.len()

    def __len__(self) -> int:
        return self.len()

    def check_invariants(self) -> None:
        """Raise AssertionError, saying what is broken. Only for a map that no thread is using."""
        if not self.mu.at_rest():
            raise AssertionError("mu is held or waited for, so the map is not at rest")
        self.items.check_invariants()

    def step_invariants(self) -> Callable[[], None]:
        """What to call between any two accesses of any threads; raises AssertionError if mu's words or the table
        cannot be, or if something was written while no writer had mu for itself."""
        mu, check_items = RWMutexWatch(self.mu), self.items.step_invariants()
        variables, last = elements_of(self.items), list[Any]()

        def check() -> None:
            nonlocal last
            mu.look()
            writing, elements = self.items.flags.peek() & HASH_WRITING, variables.values()
            changed = writing or bool(last and not same_objects(elements, last))
            if changed and not mu.writer_may_be_inside:
                raise AssertionError("somebody writes, but no writer has mu for itself")
            last = elements
            check_items()

        return check

    def _holds(self, key: K, old: V) -> bool:
        value, present = self.items.load(key)
        return present and bool(value == old)
