"""Small maps that are told apart by their hashes, which a person can follow: what scenarios are explored on.

The idea: most of a hashed map's algorithm is about hashes that agree, and it is busy only when it is about to grow.
So these have hashes that agree by design, and the fewest bins there can be. Each function makes a new map, and can
be named on the command line: `mapproof check mapproof.impl.small_maps:splitting_map`.
"""

from __future__ import annotations

import itertools
from typing import Any

from mapproof.impl.hashing import Routing, mixed
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.trie_map import TrieMap

# -- tries


def top(*nibbles: int) -> int:
    """The hash that begins with these nibbles, each the number of a child on the way from the root."""
    return int("".join(f"{nibble:x}" for nibble in nibbles).ljust(16, "0"), 16)


PATHS = {"a": top(1, 1), "b": top(1, 2), "c": top(1, 2), "d": top(2), "e": top(1, 3), "f": top(1, 2, 1)}
"""A tree of three levels: a, b and e part at the second nibble, b and f at the third, b and c share a chain, d is
alone."""


def by_paths(key: Any) -> int:
    """As `PATHS` says."""
    return PATHS.get(key, 0)


def every_key_the_same(key: Any) -> int:
    """No bit tells keys apart."""
    return 7


def crowded(key: Any) -> int:
    """Few hashes, in the first bits and the last: chains at both ends of the trie."""
    return mixed(hash(key)) & 0xC000_0000_0000_0003


def trie_by_paths() -> TrieMap[Any, Any]:
    """The letters a to f in three levels; every other key in one chain."""
    return TrieMap(by_paths)


def trie_of_one_chain() -> TrieMap[Any, Any]:
    """Every key in one chain."""
    return TrieMap(every_key_the_same)


def crowded_trie() -> TrieMap[Any, Any]:
    """Sixteen hashes for all keys."""
    return TrieMap(crowded)


# -- maps in shards


def by_low_bits(key: Any) -> int:
    """Routes small numbers and letters by themselves: a and c to shard 0 of 2, b and d to shard 1."""
    return key if isinstance(key, int) else ord(key) - ord("a")


def by_top_bits(key: Any) -> int:
    """The first four letters told apart by the top two bits: a and b to shard 0 of 2, c and d to shard 1."""
    return by_low_bits(key) << 62


class SplittingMap(ShardedMap[Any, Any]):
    """A map whose `len` first does what there is to do at `maintain`, each time five seconds later.

    Maintenance has no place among the operations of a map, and so none in a scenario but behind one of them.
    """

    __slots__ = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(shards=1, batch=1, clock=itertools.count(0, 5).__next__, **options)

    def len(self) -> int:
        """One batch, and then the number of keys."""
        self.maintain()
        return super().len()


def splitting_map() -> SplittingMap:
    """One shard of one bin, and soon four: a split takes two batches."""
    return SplittingMap(capacity=1, max_shards=4, hash_key=by_low_bits)


def splitting_map_of_two_bins() -> SplittingMap:
    """One shard of two bins, and soon two: a split takes four batches."""
    return SplittingMap(capacity=2, max_shards=2, hash_key=by_low_bits)


def splitting_map_by_top_bits() -> SplittingMap:
    """As `splitting_map`, by the other end of the hashes."""
    return SplittingMap(capacity=1, max_shards=4, hash_key=by_top_bits, routing=Routing.TOP_BITS)
