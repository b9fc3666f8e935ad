"""What our maps keep to themselves, written as the Go program writes the private fields of Go's maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from side_by_side import text_of, text_of_pair, text_of_set

from mapproof.impl.hashing import MASK_64, fnv1a_64
from mapproof.impl.plain_map_buckets import MIN_TOPHASH, Bucket, Buckets
from mapproof.impl.sync_map import EXPUNGED, Entry
from mapproof.impl.trie_nodes import Indirect

# -- sync.Map before 1.24


def of_sync_map(map_: Any) -> str:
    """read.m, amended, dirty and misses; a dirty entry that is not the one of read.m has a mark."""
    read, dirty = map_.read.peek(), map_.dirty.peek()
    entries = read.m.peek()
    dirty_text = "nil" if dirty is None else _entries(dirty.peek(), entries)
    amended = "true" if read.amended else "false"
    return f"{_entries(entries, entries)}{amended}{dirty_text}{map_.misses.peek()}"


def _entries(m: Mapping[Any, Entry[Any]], read: Mapping[Any, Entry[Any]]) -> str:
    return text_of_set(
        [
            f"{text_of(key)}={_pointer(entry)}{'' if read.get(key, entry) is entry else '!'}"
            for key, entry in m.items()
        ]
    )


def _pointer(entry: Entry[Any]) -> str:
    p = entry.p.peek()
    return "deleted" if p is None else "expunged" if p is EXPUNGED else text_of(p.value)


# -- sync.Map from 1.24 on


def hash_under(mask: int) -> Callable[[Any], int]:
    """FNV-1a of the key's text, of which only the bits of `mask` count; -0.0 is the same key as 0.0."""
    return lambda key: int(_hash(key) & mask)


@cache
def _hash(key: Any) -> int:
    return fnv1a_64(text_of(0.0 if key == 0 else key).encode())


def of_trie_map(map_: Any) -> str:
    """A node in brackets, its children by their numbers, chains of entries joined by dots."""
    return _node(map_.root.peek())


def _node(node: Any) -> str:
    if isinstance(node, Indirect):
        children = ((number, child.peek()) for number, child in enumerate(node.children))
        return "[" + "|".join(f"{number:x}:{_node(child)}" for number, child in children if child) + "]"
    chain = []
    while node is not None:
        chain.append(text_of_pair(node.key, node.value))
        node = node.overflow.peek()
    return ".".join(chain)


# -- the built-in map before 1.24


def multiplied(key: int, seed: int) -> int:
    """The hash of the kind map.inside, whatever the seed."""
    return key * 0x9E3779B97F4A7C15 & MASK_64


def of_plain_map(map_: Any) -> str:
    """The header, the buckets, and the old ones."""
    header = (map_.count, map_.flags, map_.B, map_.noverflow, map_.nevacuate)
    arrays = _array(map_.buckets.peek()) + _array(map_.oldbuckets.peek())
    return ",".join(str(field.peek()) for field in header) + arrays


def _array(buckets: Buckets) -> str:
    return "[" + "|".join(map(_chain, buckets)) + "]" if buckets else "nil"


def _chain(head: Bucket) -> str:
    if head.is_evacuated():
        return "evacuated"
    return ".".join(
        f"{top}:{slot.key.peek()}={slot.elem.peek()}" if top >= MIN_TOPHASH else str(top)
        for slot in head.chain_slots()
        for top in [slot.tophash.peek()]
    )
