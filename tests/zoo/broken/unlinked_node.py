"""Broken: insertion behind an unlinked node. The place in the list is found without the lock and not looked at again.

When the node before that place is deleted in between, the new one hangs behind a node that nobody reaches.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import Any

_MISSING = object()


class _Node:
    __slots__ = ("key", "next", "value")

    def __init__(self, key: Any, value: Any, next_: _Node | None) -> None:
        self.key = key
        self.value = value
        self.next = next_


class LinkedMap:
    """A linked list from the oldest key to the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._head = _Node(None, None, None)

    def get(self, key: Hashable, default: Any = None) -> Any:
        found = self._before(key).next
        return default if found is None else found.value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        before = self._before(key)
        with self._lock:
            if before.next is None:
                before.next = _Node(key, value, None)
            else:
                before.next.value = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            before = self._before(key)
            if before.next is None:
                before.next = _Node(key, default, None)
            return before.next.value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock:
            before = self._before(key)
            found = before.next
            if found is not None:
                before.next = found.next
                return found.value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return [(node.key, node.value) for node in self._nodes()]

    def __len__(self) -> int:
        return len(self.items())

    def _before(self, key: Hashable) -> _Node:
        """The node before the key's, or the last one."""
        node = self._head
        while (following := node.next) is not None and following.key != key:
            node = following
        return node

    def _nodes(self) -> Iterator[_Node]:
        node = self._head.next
        while node is not None:
            yield node
            node = node.next
