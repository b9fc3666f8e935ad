"""An immutable search tree: readers walk it from a root that they read once, writers build a new path and a new root.

The tree is ordered by hash; keys with one hash share a node's dict, which is never changed either.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

_MISSING = object()


@dataclass(frozen=True)
class _Node:
    hash: int
    pairs: dict[Hashable, Any]
    smaller: _Node | None = None
    larger: _Node | None = None


def _find(node: _Node | None, hash_: int) -> dict[Hashable, Any]:
    while node is not None and node.hash != hash_:
        node = node.smaller if hash_ < node.hash else node.larger
    return {} if node is None else node.pairs


def _with(node: _Node | None, hash_: int, pairs: dict[Hashable, Any]) -> _Node:
    if node is None:
        return _Node(hash_, pairs)
    if hash_ < node.hash:
        return replace(node, smaller=_with(node.smaller, hash_, pairs))
    if hash_ > node.hash:
        return replace(node, larger=_with(node.larger, hash_, pairs))
    return replace(node, pairs=pairs)


def _pairs(node: _Node | None) -> Iterator[tuple[Hashable, Any]]:
    if node is not None:
        yield from _pairs(node.smaller)
        yield from node.pairs.items()
        yield from _pairs(node.larger)


class PersistentTree:
    def __init__(self) -> None:
        self._writers = threading.Lock()
        self._root: _Node | None = None

    def get(self, key: Hashable, default: Any = None) -> Any:
        return _find(self._root, hash(key)).get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return _find(self._root, hash(key))[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._writers:
            pairs = _find(self._root, hash(key))
            self._root = _with(self._root, hash(key), {**pairs, key: value})

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._writers:
            pairs = _find(self._root, hash(key)).copy()
            value = pairs.setdefault(key, default)
            self._root = _with(self._root, hash(key), pairs)
            return value

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._writers:
            pairs = _find(self._root, hash(key)).copy()
            value = pairs.pop(key, *default)
            self._root = _with(self._root, hash(key), pairs)
            return value

    def __delitem__(self, key: Hashable) -> None:
        self.pop(key)

    def clear(self) -> None:
        with self._writers:
            self._root = None

    def items(self) -> list[tuple[Hashable, Any]]:
        return list(_pairs(self._root))

    def __len__(self) -> int:
        return len(self.items())
