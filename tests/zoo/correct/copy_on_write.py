"""Copy on write: a published dict is never changed, so readers need no lock; writers take one, copy and replace."""

from __future__ import annotations

import threading
from collections.abc import Hashable, ItemsView, Iterator
from typing import Any


class CopyOnWriteDict:
    def __init__(self) -> None:
        self._writers = threading.Lock()
        self._published: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._published.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._published[key]

    def __contains__(self, key: Hashable) -> bool:
        return key in self._published

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._published)

    def __len__(self) -> int:
        return len(self._published)

    def items(self) -> ItemsView[Hashable, Any]:
        return self._published.items()

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._writers:
            self._published = {**self._published, key: value}

    def __delitem__(self, key: Hashable) -> None:
        with self._writers:
            changed = self._published.copy()
            del changed[key]
            self._published = changed

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._writers:
            changed = self._published.copy()
            value = changed.setdefault(key, default)
            self._published = changed
            return value

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._writers:
            changed = self._published.copy()
            value = changed.pop(key, *default)
            self._published = changed
            return value

    def clear(self) -> None:
        with self._writers:
            self._published = {}
