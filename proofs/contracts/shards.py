"""Contracts of what impl/hashing.py and impl/shards.py do with chains, splits, batches and routes.

The idea: as in `contracts.sync_map`, the functions and methods that the sharded map calls, on shards of a bin or two.
"""

from __future__ import annotations

from typing import NamedTuple

from mapproof.impl.hashing import Routing, shard_of, split_target, split_targets  # noqa: F401  (named in conditions)
from mapproof.impl.shards import Node, Route, Shard, Split, exchanged, find, is_overloaded


def rehash(hash_value: int, bits: int) -> int:
    """The split of a shard among 2^bits sends a key where the doubled map looks for it: s or s + n.

    pre: 0 <= hash_value < 2**64
    pre: 0 <= bits <= 6
    post: __return__ == shard_of(hash_value, 2 << bits)
    post: __return__ in split_targets(shard_of(hash_value, 1 << bits), 1 << bits)
    """
    shards = 1 << bits
    return split_target(hash_value, shard_of(hash_value, shards), shards)


def overload(keys: int, bits: int) -> bool:
    """A shard is split once it has more than three keys for four bins.

    pre: 0 <= keys <= 100 and 0 <= bits <= 6
    post: __return__ == (4 * keys > 3 * 2**bits)
    """
    return is_overloaded(keys, 1 << bits)


# ------------------------------------------------------------------------------------------------ chains


def finding(hash_value: int, key: int, first: int, second: int) -> int:
    """The node that has the hash and the key, the first such; -1 if there is none.

    pre: 0 <= hash_value <= 1 and 0 <= first <= 1 and 0 <= second <= 1
    post: __return__ == (0 if (hash_value, key) == (first, 5) else 1 if (hash_value, key) == (second, 6) else -1)
    """
    chain = (Node(first, 5, 0), Node(second, 6, 1))
    found = find(chain, hash_value, key)
    return -1 if found is None else found.value


def exchange(length: int, old: int, added: bool) -> tuple[int, ...]:
    """The new node stands in the place of the old one, or at the end if there is none; without it, the gap closes.

    pre: 0 <= length <= 3 and 0 <= old <= 3
    post: not added or old >= length or __return__ == tuple(9 if n == old else n for n in range(length))
    post: not added or old < length or __return__ == (*range(length), 9)
    post: added or __return__ == tuple(n for n in range(length) if n != old)
    """
    chain = tuple(Node(0, number, number) for number in range(length))
    replaced = chain[old] if old < length else None
    after = exchanged(chain, replaced, Node(0, 9, 9) if added else None)
    return tuple(node.key for node in after)


# ------------------------------------------------------------------------------------------------ splits


class Division(NamedTuple):
    """Where the keys of a bin are after its copy, by the shard's index, in the order of the chain."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    agrees: bool
    counts_agree: bool


def division(first: int, second: int, top_bits: bool) -> Division:
    """Each node of a bin is in the one of two shards where the doubled map looks for its hash, in the old order.

    pre: 0 <= first < 2**64 and 0 <= second < 2**64
    post: [n for n, h in enumerate((first, second)) if _routing(top_bits).shard_of(h, 2) == 0] == [*__return__.low]
    post: [n for n, h in enumerate((first, second)) if _routing(top_bits).shard_of(h, 2) == 1] == [*__return__.high]
    post: __return__.agrees and __return__.counts_agree
    """
    old = Shard[int, int](0, 1, 1)
    old.set_bin_locked(0, (Node(first, 0, 0), Node(second, 1, 1)))
    split = Split(old, _routing(top_bits))
    split.copy_bin(0)
    low, high = (tuple(node.key for node in shard.bins[0].load()) for shard in split.new)
    return Division(low, high, split.agrees(0), split.counts_agree())


def _routing(top_bits: bool) -> Routing:
    return Routing.TOP_BITS if top_bits else Routing.LOW_BITS


def write(hash_value: int, present: bool, deleted: bool) -> tuple[bool, bool]:
    """While a shard is split, a write is made here and in the new shard of its hash, and not in the other one.

    pre: 0 <= hash_value <= 3
    post: __return__ == (not deleted, True)
    """
    old = Shard[int, int](0, 1, 1)
    node = Node(hash_value, 5, 0)
    if present:
        old.set_bin_locked(0, (node,))
    split = Split(old, Routing.LOW_BITS)
    split.copy_bin(0)
    old.split.write(split)
    old.exchange_locked(hash_value, node if present else None, None if deleted else Node(hash_value, 5, 1))
    return old.find(hash_value, 5) is not None, split.agrees(0)


class Batch(NamedTuple):
    """After a batch: whether it found nothing wrong, and which of three bins are in the new shards."""

    agrees: bool
    copied: tuple[bool, ...]


def batch(start: int, size: int) -> Batch:
    """A batch copies each of its bins, the last one included, and no other.

    pre: 0 <= start and 1 <= size and start + size <= 4
    post: __return__ == (True, tuple(start <= n < start + size for n in range(4)))
    """
    old = Shard[int, int](0, 1, 4)
    for number in range(4):
        old.set_bin_locked(number, (Node(number, number, 0),))
    split = Split(old, Routing.LOW_BITS)
    agrees = split.advance_locked(start, start + size)
    copied = tuple(any(shard.bins[number].load() for shard in split.new) for number in range(4))
    return Batch(agrees, copied)


def comparison(missing: int, start: int) -> bool:
    """The second round over the bins notices the one that was not copied, if it is in the batch of two.

    pre: 0 <= missing <= 3 and 4 <= start <= 6
    post: __return__ == (not start - 4 <= missing < start - 2)
    """
    old = Shard[int, int](0, 1, 4)
    for number in range(4):
        old.set_bin_locked(number, (Node(number, number, 0),))
    split = Split(old, Routing.LOW_BITS)
    for number in range(4):
        if number != missing:
            split.copy_bin(number)
    return split.advance_locked(start, start + 2)


class Routed(NamedTuple):
    """The owner of a hash after a split, compared with the one before it."""

    by_its_bits: bool
    was_split: bool
    doubled: bool
    is_the_same: bool


def route_after(hash_value: int, last: bool, top_bits: bool) -> Routed:
    """After a split every hash is with a shard that its bits name, and only those of the split shard have moved.

    The shard of hash 0 has been split three times, so others have several slots; then it or the last one is.

    pre: 0 <= hash_value < 2**64
    post: __return__.by_its_bits and (__return__.doubled if __return__.was_split else __return__.is_the_same)
    """
    routing = _routing(top_bits)
    route = Route((Shard[int, int](0, 1, 1),), routing)
    for _ in range(3):
        route = route.after(Split(route.owner_of(0), routing))
    before = route.owner_of(hash_value)
    divided = route.owner_of(2**64 - 1 if last else 0)
    owner = route.after(Split(divided, routing)).owner_of(hash_value)
    return Routed(
        owner.index == routing.shard_of(hash_value, owner.shards),
        before is divided,
        owner.shards == 2 * before.shards,
        owner is before,
    )
