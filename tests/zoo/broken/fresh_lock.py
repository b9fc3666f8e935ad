"""Broken: lock made in the call. The decorator makes one each time, not once a map: nobody ever waits for anybody."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _synchronized(method: _Method) -> _Method:
    @functools.wraps(method)
    def locked(*args: Any) -> Any:
        lock = threading.Lock()
        with lock:
            return method(*args)

    return locked  # type: ignore[return-value]


class FreshLockDict:
    def __init__(self) -> None:
        self._data: dict[Hashable, Any] = {}

    @_synchronized
    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._data.get(key, default)

    @_synchronized
    def __getitem__(self, key: Hashable) -> Any:
        return self._data[key]

    @_synchronized
    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._data[key] = value

    @_synchronized
    def __delitem__(self, key: Hashable) -> None:
        del self._data[key]

    @_synchronized
    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        if key in self._data:
            return self._data[key]
        self._data[key] = default
        return default

    @_synchronized
    def pop(self, key: Hashable, *default: Any) -> Any:
        return self._data.pop(key, *default)

    @_synchronized
    def clear(self) -> None:
        self._data.clear()

    @_synchronized
    def items(self) -> list[tuple[Hashable, Any]]:
        return list(self._data.copy().items())

    @_synchronized
    def __len__(self) -> int:
        return len(self._data)
