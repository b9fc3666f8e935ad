"""What holds of a `TrieMap` at every step of every thread, and what more when none is at work.

The idea: each change of the trie is one atomic store of something complete (a new entry, a filled subtrie, a new
root), so nearly everything holds between any two accesses, not only between operations. The two exceptions need
locks, and are there only while these are held:

    T1  the root has no parent; every other interior node's parent is the node that holds it
    T2  no node that can be reached is dead, but while it is being removed: its mu and its parent's are held
    T3  no interior node but the root is empty, but before it is removed: its mu is held
    T4  an entry is where its hash leads: the path to its child spells the hash's top bits
    T5  all entries of a chain have the same hash, and no two of them the same key
    T6  an entry has the same key and value for ever
    T7  a dead node stays dead, and empty: whoever waited for its mu leaves it alone

T6 and T7 compare with what was seen before, and so are for `EveryStep` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import methodcaller
from typing import TYPE_CHECKING, Any, NamedTuple

from mapproof.impl.invariants import require
from mapproof.impl.trie_nodes import BITS_PER_LEVEL, CHILDREN, HASH_BITS, Entry, Indirect

if TYPE_CHECKING:
    from mapproof.impl.trie_map import TrieMap

Hash = Callable[[Any], int]
_peek = methodcaller("peek")


class Position(NamedTuple):
    """An interior node that can be reached, by the hashes whose bits above `shift` are `path`; what it has now."""

    node: Indirect[Any, Any]
    path: int
    shift: int
    children: list[tuple[int, Entry[Any, Any] | Indirect[Any, Any]]]
    """The number and the child, of those that are there."""


def _position(node: Indirect[Any, Any], path: int, shift: int) -> Position:
    children = enumerate(map(_peek, node.children))
    return Position(node, path, shift, [(bits, child) for bits, child in children if child is not None])


def check_at_rest(map_: TrieMap[Any, Any], hash_of: Hash) -> None:
    """T1 to T5 of a map that no thread is using. Raises AssertionError, as the following."""
    require(not map_.init_mu.locked(), "init_mu is held, so the map is not at rest")
    for position in _positions(map_):
        require(not position.node.mu.locked(), "the mu of a node is held, so the map is not at rest")
        _check_node(position)
        for chain in _chains(position, hash_of):
            _check_chain(chain)
    require(map_.inited.peek() is (map_.root.peek() is not None), "inited is not whether there is a root")


class EveryStep:
    """T1 to T7, each time that it is called. It keeps what it has seen, and so memory, as long as it lives."""

    def __init__(self, map_: TrieMap[Any, Any], hash_of: Hash) -> None:
        self._map = map_
        self._hash_of = hash_of
        self._entries: dict[Entry[Any, Any], tuple[Any, Any]] = {}
        self._dead: set[Indirect[Any, Any]] = set()

    def __call__(self) -> None:
        for position in _positions(self._map):
            _check_node(position)
            if position.node.dead.peek():
                self._dead.add(position.node)
            for chain in _chains(position, self._hash_of):
                _check_chain(chain)
                for entry, _ in chain:
                    self._check_entry(entry)
        for node in self._dead:
            require(node.dead.peek(), "T7: a dead node is alive again")
            require(not _position(node, 0, 0).children, "T7: a dead node has a child again")

    def _check_entry(self, entry: Entry[Any, Any]) -> None:
        key, value = self._entries.setdefault(entry, (entry.key, entry.value))
        require(entry.key is key, f"T6: an entry had the key {key!r} and has {entry.key!r}")
        require(entry.value is value, f"T6: the entry of {key!r} had {value!r} and has {entry.value!r}")


def _positions(map_: TrieMap[Any, Any]) -> Iterator[Position]:
    """Every interior node that can be reached, with T1."""
    root = map_.root.peek()
    require(root is not None or not map_.inited.peek(), "inited is set, but there is no root")
    if root is None:
        return
    require(root.parent is None, "T1: the root has a parent")
    waiting = [_position(root, 0, HASH_BITS)]
    while waiting:
        position = waiting.pop()
        yield position
        for bits, child in position.children:
            if isinstance(child, Indirect):
                require(
                    child.parent is position.node, "T1: the parent of a node is not the node that holds it"
                )
                below = position.path * CHILDREN + bits
                waiting.append(_position(child, below, position.shift - BITS_PER_LEVEL))


def _check_node(position: Position) -> None:
    """T2 and T3."""
    node = position.node
    require(position.shift > 0, "T4: an interior node is below the last bits of the hash")
    parent = node.parent
    if parent is None:
        require(not node.dead.peek(), "T2: the root is dead")
        return
    if node.dead.peek():
        require(node.mu.locked() and parent.mu.locked(), "T2: a dead node can be reached")
    if not position.children:
        require(node.mu.locked(), "T3: a node is empty")


Chain = list[tuple[Entry[Any, Any], int]]
"""Entries and their hashes."""


def _chains(position: Position, hash_of: Hash) -> Iterator[Chain]:
    """What the entries of an interior node are, with T4."""
    shift = position.shift - BITS_PER_LEVEL
    for bits, child in position.children:
        if isinstance(child, Entry):
            chain = list(_entries(child, hash_of))
            led = chain[0][1] >> shift == position.path * CHILDREN + bits
            require(led, f"T4: {child.key!r} is not where its hash leads")
            yield chain


def _entries(head: Entry[Any, Any], hash_of: Hash) -> Iterator[tuple[Entry[Any, Any], int]]:
    entry: Entry[Any, Any] | None = head
    while entry is not None:
        yield entry, hash_of(entry.key)
        entry = entry.overflow.peek()


def _check_chain(chain: Chain) -> None:
    """T5."""
    keys: list[Any] = []
    for entry, hash_ in chain:
        require(hash_ == chain[0][1], f"T5: {entry.key!r} is in a chain of another hash")
        require(entry.key not in keys, f"T5: {entry.key!r} is in a chain twice")
        keys.append(entry.key)
