"""A MutableMapping that also locks what it inherits: the mixin methods are several steps each, so they are wrapped.

`keys`, `values` and `items` answer views of a copy, because the inherited views would look up each key later.
"""

from __future__ import annotations

from collections.abc import Hashable, ItemsView, Iterator, KeysView, MutableMapping, ValuesView
from threading import RLock
from typing import Any


class SynchronizedMapping(MutableMapping[Hashable, Any]):
    def __init__(self) -> None:
        self._lock = RLock()
        self._data: dict[Hashable, Any] = {}

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._data[key]

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._copy())

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return super().get(key, default)

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return super().setdefault(key, default)

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._lock:
            return super().pop(key, *default)

    def popitem(self) -> tuple[Hashable, Any]:
        with self._lock:
            return super().popitem()

    def clear(self) -> None:
        with self._lock:
            super().clear()

    def update(self, *others: Any, **more: Any) -> None:
        with self._lock:
            super().update(*others, **more)

    def keys(self) -> KeysView[Hashable]:
        return self._copy().keys()

    def values(self) -> ValuesView[Any]:
        return self._copy().values()

    def items(self) -> ItemsView[Hashable, Any]:
        return self._copy().items()

    def _copy(self) -> dict[Hashable, Any]:
        with self._lock:
            return self._data.copy()
