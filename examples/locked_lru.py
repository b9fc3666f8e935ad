"""cachetools' LRU cache behind one lock. cachetools leaves locking to its users, and even a read moves a key."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Any

from cachetools import LRUCache


def locked(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, run while its cache's lock is held."""

    @wraps(method)
    def run(self: "LockedLRU", *args: Any) -> Any:
        with self.lock:
            return method(self, *args)

    return run


class LockedLRU(LRUCache[Any, Any]):
    def __init__(self, maxsize: float = 1000) -> None:
        super().__init__(maxsize)
        self.lock = RLock()

    get, setdefault, pop = locked(LRUCache.get), locked(LRUCache.setdefault), locked(LRUCache.pop)
    __getitem__, __setitem__ = locked(LRUCache.__getitem__), locked(LRUCache.__setitem__)
    __delitem__, __len__ = locked(LRUCache.__delitem__), locked(LRUCache.__len__)
    popitem, clear = locked(LRUCache.popitem), locked(LRUCache.clear)
    __iter__ = locked(lambda self: iter(list(LRUCache.__iter__(self))))
    items = locked(lambda self: list(LRUCache.items(self)))
    values = locked(lambda self: list(LRUCache.values(self)))
