"""Go's second reference map, and the comparison of one implementation with another (src/sync/map_reference_test.go).

The idea: the same random sequence of operations is run on both; every answer and what is left must be the same.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, Final

from mapproof.impl.sync import Atomic

Make = Callable[[], Any]


class DeepCopyMap:
    """Go's other reference: a dictionary that is copied for each change, and published by one store."""

    def __init__(self) -> None:
        self.clean: Atomic[dict[Any, Any]] = Atomic({}, "clean")
        self.mu = threading.Lock()

    def load(self, key: Any) -> tuple[Any, bool]:
        clean = self.clean.load()
        return clean.get(key), key in clean

    def _changed(self, key: Any, change: Callable[[dict[Any, Any]], object]) -> tuple[Any, bool]:
        """What the key held before the change of the copy."""
        with self.mu:
            found, dirty = self.load(key), dict(self.clean.load())
            change(dirty)
            self.clean.store(dirty)
            return found

    def store(self, key: Any, value: Any) -> None:
        self.swap(key, value)

    def swap(self, key: Any, value: Any) -> tuple[Any, bool]:
        return self._changed(key, lambda dirty: dirty.update({key: value}))

    def load_or_store(self, key: Any, value: Any) -> tuple[Any, bool]:
        actual, loaded = self._changed(key, lambda dirty: dirty.setdefault(key, value))
        return (actual, True) if loaded else (value, False)

    def load_and_delete(self, key: Any) -> tuple[Any, bool]:
        return self._changed(key, lambda dirty: dirty.pop(key, None))

    def delete(self, key: Any) -> None:
        self.load_and_delete(key)

    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool:
        def change(dirty: dict[Any, Any]) -> None:
            if key in dirty and dirty[key] == old:
                dirty[key] = new

        return self._changed(key, change) == (old, True)

    def compare_and_delete(self, key: Any, old: Any) -> bool:
        def change(dirty: dict[Any, Any]) -> None:
            if key in dirty and dirty[key] == old:
                del dirty[key]

        return self._changed(key, change) == (old, True)

    def clear(self) -> None:
        self.clean.store({})

    def range(self) -> list[tuple[Any, Any]]:
        return list(self.clean.load().items())

    def check_invariants(self) -> None:
        assert not self.mu.locked()


VALUES_OF: Final = {
    "load": 0,
    "store": 1,
    "load_or_store": 1,
    "load_and_delete": 0,
    "delete": 0,
    "swap": 1,
    "compare_and_swap": 2,
    "compare_and_delete": 1,
}


def results(map_: Any, seed: int) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """Every answer of a random sequence on short strings, and the pairs that are left."""
    random_, answers = random.Random(seed), list[Any]()
    words = ["".join(random_.choices("abc", k=random_.randint(0, 3))) for _ in range(6)]
    for _ in range(40):
        if random_.random() < 0.03:
            map_.clear()
        name = random_.choice(list(VALUES_OF))
        answers.append(getattr(map_, name)(random_.choice(words), *random_.choices(words, k=VALUES_OF[name])))
    return answers, sorted(map_.range())


def matches(make: Make, reference: Make) -> None:
    """TestMapMatchesRWMutex, TestMapMatchesDeepCopy, TestMapMatchesHashTrieMap."""
    for seed in range(200):
        assert results(make(), seed) == results(reference(), seed), seed
