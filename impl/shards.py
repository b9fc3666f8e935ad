"""The parts of a sharded map: chains of nodes, the shard that holds them, its split, and the route to the owner.

The idea: what readers follow never changes (a node, a chain, a route), so each needs one load of the atomic word
that holds it. All that may change about a shard is in its bins and its `split`, and needs its `mu`. Why this makes
a right map is told in `sharded_map`, what holds of it meanwhile in `sharded_map_invariants`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Generic, TypeAlias, TypeVar

from mapproof.impl.hashing import MASK_64, Routing
from mapproof.impl.sync import Atomic, AtomicInt, Mutex, Plain

K = TypeVar("K")
V = TypeVar("V")

MOST_LOAD: Final = 0.75
"""Keys for each bin; a shard with more is split."""

_GOLDEN: Final = 0x9E3779B97F4A7C15


class Migrating(IntEnum):
    """The state of a split. Without one, a shard owns its keys."""

    NEW_ONLY = 0
    DUAL_WRITES = 1


@dataclass(frozen=True, slots=True, eq=False)
class Node(Generic[K, V]):
    """A key and its value. Old and new shards share nodes, so comparing them is comparing identities."""

    hash: int
    key: K
    value: V


Chain: TypeAlias = tuple[Node[K, V], ...]


def find(chain: Chain[K, V], hash_value: int, key: K) -> Node[K, V] | None:
    """The node of the key, told apart as a dict does."""
    for node in chain:
        if node.hash == hash_value and (node.key is key or node.key == key):
            return node
    return None


def exchanged(chain: Chain[K, V], old: Node[K, V] | None, new: Node[K, V] | None) -> Chain[K, V]:
    """The chain with `new` in the place of `old`, or at the end if it has no `old`; without it, if `new` is None."""
    place = len(chain) if old is None or old not in chain else chain.index(old)
    return (*chain[:place], *(() if new is None else (new,)), *chain[place + 1 :])


def is_overloaded(keys: int, capacity: int) -> bool:
    """Whether a shard of `capacity` bins should be split."""
    return keys > MOST_LOAD * capacity


class Shard(Generic[K, V]):
    """The keys whose hash routes to `index` out of `shards`. Methods named `_locked` need `mu`."""

    __slots__ = ("bins", "count", "index", "mu", "shards", "split")

    def __init__(self, index: int, shards: int, capacity: int) -> None:
        self.index = index
        self.shards = shards
        self.mu = Mutex(f"shard {index} of {shards}")
        self.bins: tuple[Atomic[Chain[K, V]], ...] = tuple(Atomic((), "bin") for _ in range(capacity))
        self.count = AtomicInt(0, "count")
        self.split: Plain[Split[K, V] | None] = Plain(None, "split")

    def bin_of(self, hash_value: int) -> int:
        """Multiplicative hashing (Knuth, TAOCP 3, 6.4): the keys of a shard agree in the bits that route, so the
        bin must come from all the others as well."""
        return (hash_value * _GOLDEN & MASK_64) >> (65 - len(self.bins).bit_length())

    def find(self, hash_value: int, key: K) -> Node[K, V] | None:
        return find(self.bins[self.bin_of(hash_value)].load(), hash_value, key)

    def successors_locked(self) -> tuple[Shard[K, V], ...]:
        """The new shards, if this one is no longer the owner."""
        split = self.split.read()
        return split.new if split is not None and split.migrating.read() is Migrating.NEW_ONLY else ()

    def exchange_locked(self, hash_value: int, old: Node[K, V] | None, new: Node[K, V] | None) -> None:
        """Put `new` in the place of `old`; None stands for absence. No key is compared any more, so nothing raises
        between the two writes."""
        self._exchange_here(hash_value, old, new)
        split = self.split.read()
        if split is not None:
            split.child_of(hash_value)._exchange_here(hash_value, old, new)

    def clear_locked(self) -> None:
        split = self.split.read()
        for shard in (self, *(() if split is None else split.new)):
            for number in range(len(shard.bins)):
                shard.set_bin_locked(number, ())

    def set_bin_locked(self, number: int, chain: Chain[K, V]) -> None:
        """For a shard that readers do not see yet, the lock is that of the shard that is divided."""
        grown = len(chain) - len(self.bins[number].load())
        self.bins[number].store(chain)
        if grown:
            self.count.add(grown)

    def _exchange_here(self, hash_value: int, old: Node[K, V] | None, new: Node[K, V] | None) -> None:
        number = self.bin_of(hash_value)
        self.set_bin_locked(number, exchanged(self.bins[number].load(), old, new))


class Split(Generic[K, V]):
    """The division of a shard between two of as many bins; guarded by the `mu` of that shard."""

    __slots__ = ("migrating", "new", "old", "routing")

    def __init__(self, old: Shard[K, V], routing: Routing) -> None:
        zero, one = routing.split_targets(old.index, old.shards)
        capacity = len(old.bins)
        self.old = old
        self.new: tuple[Shard[K, V], Shard[K, V]] = (
            Shard(zero, 2 * old.shards, capacity),
            Shard(one, 2 * old.shards, capacity),
        )
        self.routing = routing
        self.migrating = Plain(Migrating.DUAL_WRITES, "migrating")

    def child_of(self, hash_value: int) -> Shard[K, V]:
        zero, one = self.new
        return one if self.routing.shard_of(hash_value, one.shards) == one.index else zero

    def copy_bin(self, number: int) -> None:
        """Overwriting is right: under the lock, the chain of the owner is the newest there is."""
        chain = self.old.bins[number].load()
        for shard in self.new:
            shard.set_bin_locked(number, self._part(chain, shard))

    def agrees(self, number: int) -> bool:
        """Whether the bin is divided exactly."""
        chain = self.old.bins[number].load()
        return all(shard.bins[number].load() == self._part(chain, shard) for shard in self.new)

    def advance_locked(self, start: int, end: int) -> bool:
        """Steps `start` to `end` of the cursor: a copy of each bin, then a comparison of each; whether those agree."""
        bins = len(self.old.bins)
        for number in range(start, min(end, bins)):
            self.copy_bin(number)
        return all(self.agrees(step - bins) for step in range(max(start, bins), end))

    def counts_agree(self) -> bool:
        return self.old.count.load() == sum(shard.count.load() for shard in self.new)

    def _part(self, chain: Chain[K, V], shard: Shard[K, V]) -> Chain[K, V]:
        return tuple(node for node in chain if self.child_of(node.hash) is shard)


@dataclass(frozen=True, slots=True, eq=False)
class Route(Generic[K, V]):
    """Slot -> shard, for a power of two of slots. Never changes; a split makes another."""

    slots: tuple[Shard[K, V], ...]
    routing: Routing

    def owner_of(self, hash_value: int) -> Shard[K, V]:
        return self.slots[self.routing.shard_of(hash_value, len(self.slots))]

    def shards(self) -> tuple[Shard[K, V], ...]:
        """Each shard once."""
        return tuple(dict.fromkeys(self.slots))

    def after(self, split: Split[K, V]) -> Route[K, V]:
        """The route to the new shards; with twice the slots, if the old one had a single slot."""
        fewer, children = len(self.slots), 2 * split.old.shards
        by_index = {shard.index: shard for shard in split.new}
        ancestor, slots = self.routing.ancestor, max(fewer, children)
        owners = (self.slots[ancestor(slot, slots, fewer)] for slot in range(slots))
        return Route(
            tuple(
                by_index[ancestor(slot, slots, children)] if owner is split.old else owner
                for slot, owner in enumerate(owners)
            ),
            self.routing,
        )
