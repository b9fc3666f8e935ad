"""Keeps the configurations of a compiled search, and the changes that led to each.

The idea: a list of configurations is an array that begins with their number; a hash table beside it tells whether
an equal one is there. The changes that led to them are a tree: each configuration is at one of its nodes. A node
counts what refers to it and is given back at once when nothing does, so that dead branches take no memory.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability.compiled import Ints, filled

STATE, MASK, EARLY, NODE, TAG, FIELDS = 0, 1, 2, 3, 4, 5
"""The fields of a configuration; number e of a list begins at e * FIELDS, and at 0 is how many there are.

`early` are the running steps called before the last blind write. Equal ones have the same state, mask and tag;
those with a tag other than 0 also the same `early`, of others the one with the greatest is kept.
"""

PARENT, ITEM, REFERENCES, LINKS = 0, 1, 2, 3
"""The fields of a node: a change that was placed. An item is 2 * step, + 1 in hindsight. Node 0 is the root."""

FREE, USED, STAMP, BOOKS = 0, 1, 2, 3
"""The books: the first free node (0: none), the nodes ever used, and the number of the present tables.

A place of a table holds stamp << 32 | number of a configuration, so that a new stamp empties it.
"""

FEWEST: Final = 16 * FIELDS
"""How long a new list may be."""


def table_beside(entries: Ints) -> Ints:
    """An empty hash table that is at most half full when the list is full."""
    size = 32
    while size * FIELDS < 2 * len(entries):
        size *= 2
    return filled(size, 0)


def has_room(entries: Ints) -> bool:
    """Whether two more configurations fit."""
    return (entries[0] + 3) * FIELDS <= len(entries)


def put(
    entries: Ints,
    table: Ints,
    state: int,
    mask: int,
    early: int,
    node: int,
    tag: int,
    nodes: Ints,
    books: Ints,
) -> None:
    """Add a configuration unless there is an equal one that can do as much; there must be room."""
    last, stamp = len(table) - 1, books[STAMP]
    mixed = mask * 0x1E3779B97F4A7C15 + (state + (tag << 24)) * 0x2545F4914F6CDD1D
    at = (mixed ^ (mixed >> 31)) & last
    while table[at] >> 32 == stamp:
        base = (table[at] & 0xFFFFFFFF) * FIELDS
        if (
            entries[base + MASK] == mask
            and entries[base + STATE] == state
            and entries[base + TAG] == tag
            and (tag == 0 or entries[base + EARLY] == early)
        ):
            if entries[base + EARLY] < early:
                nodes[node * LINKS + REFERENCES] += 1
                release(entries[base + NODE], nodes, books)
                entries[base + EARLY], entries[base + NODE] = early, node
            return
        at = (at + 1) & last
    entries[0] += 1
    table[at] = (stamp << 32) | entries[0]
    base = entries[0] * FIELDS
    entries[base + STATE], entries[base + MASK], entries[base + EARLY] = state, mask, early
    entries[base + NODE], entries[base + TAG] = node, tag
    nodes[node * LINKS + REFERENCES] += 1


def give_back(entries: Ints, nodes: Ints, books: Ints) -> None:
    """Empty a list."""
    for base in range(FIELDS, (entries[0] + 1) * FIELDS, FIELDS):
        release(entries[base + NODE], nodes, books)
    entries[0] = 0


def has_a_node(nodes: Ints, books: Ints) -> bool:
    """Whether there is memory for one more node."""
    return books[FREE] != 0 or (books[USED] + 1) * LINKS <= len(nodes)


def twice_the_nodes(nodes: Ints) -> Ints:
    """The same nodes, with as much memory again."""
    longer = filled(2 * len(nodes), 0)
    for at in range(len(nodes)):
        longer[at] = nodes[at]
    return longer


def new_node(parent: int, item: int, nodes: Ints, books: Ints) -> int:
    """A new node with one reference; there must be memory for one."""
    node = books[FREE]
    if node != 0:
        books[FREE] = nodes[node * LINKS + PARENT]
    else:
        node = books[USED]
        books[USED] += 1
    base = node * LINKS
    nodes[base + PARENT], nodes[base + ITEM], nodes[base + REFERENCES] = parent, item, 1
    nodes[parent * LINKS + REFERENCES] += 1
    return node


def release(node: int, nodes: Ints, books: Ints) -> None:
    """Drop a reference to a node; what nothing refers to any more becomes free. The root always stays."""
    while node != 0:
        base = node * LINKS
        nodes[base + REFERENCES] -= 1
        if nodes[base + REFERENCES] > 0:
            return
        parent = nodes[base + PARENT]
        nodes[base + PARENT] = books[FREE]
        books[FREE] = node
        node = parent


KERNELS: Final = (
    table_beside,
    has_room,
    put,
    give_back,
    has_a_node,
    twice_the_nodes,
    new_node,
    release,
)
"""Called by other kernels."""
