"""A linked list with a lock in every node, taken hand over hand: the next one before the last one is let go.

Newer keys are behind older ones, so all threads walk the same way and nobody overtakes anybody.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_MISSING = object()


class _Node:
    __slots__ = ("key", "lock", "next", "value")

    def __init__(self, key: Any = None, value: Any = None) -> None:
        self.lock = Lock()
        self.key = key
        self.value = value
        self.next: _Node | None = None


class CoupledList:
    def __init__(self) -> None:
        self._head = _Node()

    @contextmanager
    def _found(self, key: Hashable) -> Iterator[tuple[_Node, _Node | None]]:
        """The node before the key's and the key's, both locked; the last node and None if the key is not there."""
        before = self._head
        before.lock.acquire()
        node = before.next
        try:
            while node is not None:
                node.lock.acquire()
                if node.key == key:
                    break
                before.lock.release()
                before, node = node, node.next
            yield before, node
        finally:
            if node is not None:
                node.lock.release()
            before.lock.release()

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._found(key) as (_, node):
            return default if node is None else node.value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._found(key) as (before, node):
            if node is None:
                before.next = _Node(key, value)
            else:
                node.value = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._found(key) as (before, node):
            if node is None:
                node_value = default
                before.next = _Node(key, default)
            else:
                node_value = node.value
            return node_value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._found(key) as (before, node):
            if node is not None:
                before.next = node.next
                return node.value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def items(self) -> list[tuple[Hashable, Any]]:
        pairs: list[tuple[Hashable, Any]] = []
        node = self._head
        node.lock.acquire()
        while (following := node.next) is not None:
            following.lock.acquire()
            node.lock.release()
            node = following
            pairs.append((node.key, node.value))
        node.lock.release()
        return pairs

    def __len__(self) -> int:
        return len(self.items())
