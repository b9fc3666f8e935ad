"""How many deleted keys a map keeps alive.

The idea is that of Go's test of issue 40999: keys come and go, each an object of its own, while one key stays. If a
deleted key is still reachable from the map, its object is still alive.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any


class Key:
    """A key that can be seen to be alive."""


LOOKS = 4
"""Looking means collecting garbage first, which takes time."""


def memory(
    make: Callable[[], Any], rounds: int = 200, remove: Callable[[Any, Key], object] | None = None
) -> int:
    """The most deleted keys that a map made by `make` was seen to keep alive, while `rounds` of them were stored and
    deleted one after the other beside a resident one. `remove` deletes a key, by `map.delete(key)` unless told."""
    map_ = make()
    map_.store("resident", 0)
    alive: weakref.WeakSet[Key] = weakref.WeakSet()
    most = 0
    for done in range(1, rounds + 1):
        _come_and_go(map_, alive, remove)
        if done % (rounds // LOOKS) == 0:
            gc.collect()
            most = max(most, len(alive))
    return most


def _come_and_go(map_: Any, alive: weakref.WeakSet[Key], remove: Callable[[Any, Key], object] | None) -> None:
    key = Key()
    alive.add(key)
    map_.store(key, 0)
    if remove is None:
        map_.delete(key)
    else:
        remove(map_, key)
