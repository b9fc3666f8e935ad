"""Broken: a bulk operation as many small ones. `clear` deletes the keys that it saw, and one of them may be gone.

Each deletion is locked, but the list of keys is from before: a KeyError escapes.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any


class SessionTable:
    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._sessions: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._sessions.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._lock:
            return self._sessions[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._sessions[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._lock:
            del self._sessions[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            return self._sessions.setdefault(key, default)

    def clear(self) -> None:
        with self._lock:
            keys = list(self._sessions)
        for key in keys:
            del self[key]

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return list(self._sessions.items())

    def __len__(self) -> int:
        with self._lock:
            return len(self._sessions)
