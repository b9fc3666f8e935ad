"""A hash table written out: chains of nodes, a table that doubles when it is full, one lock over all of it."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import Any

_MISSING = object()


class _Node:
    __slots__ = ("hash", "key", "next", "value")

    def __init__(self, hash_: int, key: Hashable, value: Any, next_: _Node | None) -> None:
        self.hash = hash_
        self.key = key
        self.value = value
        self.next = next_


class ChainedTable:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heads: list[_Node | None] = [None] * 2
        self._count = 0

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            node = self._find(key)
            return default if node is None else node.value

    def __getitem__(self, key: Hashable) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._lock:
            node = self._find(key)
            if node is None:
                self._insert(key, value)
            else:
                node.value = value

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            node = self._find(key)
            if node is None:
                self._insert(key, default)
                return default
            return node.value

    def pop(self, key: Hashable, default: Any = _MISSING) -> Any:
        with self._lock:
            node = self._unlink(key)
        if node is not None:
            return node.value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def clear(self) -> None:
        with self._lock:
            self._heads = [None] * 2
            self._count = 0

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._lock:
            return [(node.key, node.value) for node in self._nodes()]

    def __len__(self) -> int:
        with self._lock:
            return self._count

    def _find(self, key: Hashable) -> _Node | None:
        hash_ = hash(key)
        node = self._heads[hash_ % len(self._heads)]
        while node is not None and not (node.hash == hash_ and node.key == key):
            node = node.next
        return node

    def _insert(self, key: Hashable, value: Any) -> None:
        if self._count == len(self._heads):
            self._grow()
        hash_ = hash(key)
        index = hash_ % len(self._heads)
        self._heads[index] = _Node(hash_, key, value, self._heads[index])
        self._count += 1

    def _unlink(self, key: Hashable) -> _Node | None:
        found = self._find(key)
        if found is None:
            return None
        index = found.hash % len(self._heads)
        node = self._heads[index]
        if node is found:
            self._heads[index] = found.next
        else:
            while node is not None and node.next is not found:
                node = node.next
            assert node is not None
            node.next = found.next
        self._count -= 1
        return found

    def _grow(self) -> None:
        nodes = list(self._nodes())
        self._heads = [None] * (2 * len(self._heads))
        for node in nodes:
            index = node.hash % len(self._heads)
            node.next = self._heads[index]
            self._heads[index] = node

    def _nodes(self) -> Iterator[_Node]:
        for head in self._heads:
            node = head
            while node is not None:
                yield node
                node = node.next
