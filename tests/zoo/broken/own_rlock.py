"""Broken: home-made reentrant lock. It forgets its owner after it has let go, and forgets the next owner instead.

That owner then waits for itself when it locks again.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from types import TracebackType
from typing import Any


class _ReentrantLock:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            self._lock.acquire()
            self._owner = me
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._lock.release()
            self._owner = None


class ReentrantDict:
    def __init__(self) -> None:
        self._lock = _ReentrantLock()
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self[key] if key in self._data else default

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            if key not in self._data:
                self[key] = default
            return self[key]

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._data)
