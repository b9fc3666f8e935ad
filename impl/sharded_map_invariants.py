"""What holds of a `ShardedMap` at every step of every thread, and what more when none is at work.

The idea: readers take no lock, so what they rely on (I1, I2, I5) must hold between any two accesses. What a writer
or a migration breaks for a moment (I3, I4) it breaks while it holds the `mu` of the shard, and mends before.

    I1  each slot of the route leads to the shard whose bits it has, and that shard is not migrating 0: every hash
        has one owner
    I2  each key of an owner, and of the copies that an owner has, is in the shard and in the bin that its hash says,
        and once
    I3  `count` is the number of keys, when nobody holds `mu`
    I4  only the first of the waiting shards is migrating, and migrating it has both copies; when nobody holds its
        `mu`, its bins before the cursor are divided between them exactly, and of a later bin they have no node that
        the shard has not
    I5  a shard leaves the route only by a split, which stays, and never changes from then on

I5 compares with what was seen before, and so is for `EveryStep` only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mapproof.impl.hashing import Routing
from mapproof.impl.invariants import require
from mapproof.impl.shards import Chain, Migrating, Route, Shard, Split, find
from mapproof.impl.sync import Atomic

if TYPE_CHECKING:
    from mapproof.impl.sharded_map import ShardedMap

Hash = Callable[[Any], int]


def check_at_rest(map_: ShardedMap[Any, Any], hash_of: Hash) -> None:
    """I1 to I4 of a map that no thread is using. Raises AssertionError, as the following."""
    require(not map_.migrator.locked(), "migrator is held, so the map is not at rest")
    for shard in map_.route.peek().shards():
        require(not shard.mu.locked(), f"{shard.mu.name} is held, so the map is not at rest")
    EveryStep(map_, hash_of)()


class EveryStep:
    """I1 to I5, each time that it is called. It keeps what it has seen, and so memory, as long as it lives."""

    def __init__(self, map_: ShardedMap[Any, Any], hash_of: Hash) -> None:
        self._map = map_
        self._hash_of = hash_of
        self._checked: dict[Atomic[Chain[Any, Any]], Chain[Any, Any]] = {}
        """The chains that were found right in their bins, where they still are: most do not change in a step."""
        self._route: Route[Any, Any] | None = None
        self._owners: tuple[Shard[Any, Any], ...] = ()
        self._left: dict[Shard[Any, Any], tuple[Split[Any, Any] | None, list[Chain[Any, Any]]]] = {}

    def __call__(self) -> None:
        route = self._map.route.peek()
        if route is not self._route:
            self._follow(route)
        for slot, shard in enumerate(route.slots):
            _check_owner(slot, shard)
        for shard in self._owners:
            self._check_keys(shard, route.routing)
            self._check_unlocked(shard, shard)
            if (split := shard.split.peek()) is not None:
                self._check_split(split)
        for shard, content in self._left.items():
            _check_left(shard, *content)

    def _follow(self, route: Route[Any, Any]) -> None:
        _check_slots(route)
        owners = route.shards()
        self._left.update((shard, _content(shard)) for shard in self._owners if shard not in owners)
        self._route, self._owners = route, owners

    def _check_keys(self, shard: Shard[Any, Any], routing: Routing) -> None:
        """I2."""
        for number, bin_ in enumerate(shard.bins):
            chain = bin_.peek()
            if self._checked.get(bin_) is not chain:
                _check_chain(chain, shard, number, routing, self._hash_of)
                self._checked[bin_] = chain

    def _check_unlocked(self, shard: Shard[Any, Any], owner: Shard[Any, Any]) -> None:
        """I3: the `mu` of the owner guards the count."""
        if not owner.mu.locked():
            held, count = sum(len(bin_.peek()) for bin_ in shard.bins), shard.count.peek()
            require(count == held, f"I3: {shard.mu.name} counts {count} keys of {held}")

    def _check_split(self, split: Split[Any, Any]) -> None:
        """I4, and I2 and I3 of the copies."""
        old = split.old
        require(self._map.waiting.peek()[:1] == (old,), f"I4: {old.mu.name} is migrating out of turn")
        if not old.mu.locked():
            _check_copies(split, self._map.cursor.peek())
        for shard in split.new:
            self._check_keys(shard, split.routing)
            self._check_unlocked(shard, old)


def _check_slots(route: Route[Any, Any]) -> None:
    slots, ancestor = route.slots, route.routing.ancestor
    for slot, shard in enumerate(slots):
        right = shard.shards <= len(slots) and ancestor(slot, len(slots), shard.shards) == shard.index
        require(right, f"I1: slot {slot} of {len(slots)} leads to {shard.mu.name}")


def _check_owner(slot: int, shard: Shard[Any, Any]) -> None:
    split = shard.split.peek()
    if split is not None and split.migrating.peek() is Migrating.NEW_ONLY:
        raise AssertionError(f"I1: slot {slot} leads to {shard.mu.name}, which is no longer the owner")


def _check_chain(
    chain: Chain[Any, Any], shard: Shard[Any, Any], number: int, routing: Routing, hash_of: Hash
) -> None:
    for place, node in enumerate(chain):
        routed = hash_of(node.key) == node.hash and routing.shard_of(node.hash, shard.shards) == shard.index
        require(routed, f"I2: {node.key!r} is in {shard.mu.name}, but its hash says otherwise")
        require(shard.bin_of(node.hash) == number, f"I2: {node.key!r} is in bin {number}, which is wrong")
        twice = find(chain[:place], node.hash, node.key) is not None
        require(not twice, f"I2: {node.key!r} is twice in its bin")


def _check_copies(split: Split[Any, Any], cursor: int) -> None:
    name = split.old.mu.name
    for number, old_bin in enumerate(split.old.bins):
        for shard in split.new:
            part = tuple(node for node in old_bin.peek() if split.child_of(node.hash) is shard)
            held = shard.bins[number].peek()
            if number < cursor:
                require(held == part, f"I4: bin {number} of {name} was copied, but {shard.mu.name} differs")
            else:
                require(set(held) <= set(part), f"I4: {shard.mu.name} has what {name} has not")


def _content(shard: Shard[Any, Any]) -> tuple[Split[Any, Any] | None, list[Chain[Any, Any]]]:
    return shard.split.peek(), [bin_.peek() for bin_ in shard.bins]


def _check_left(shard: Shard[Any, Any], split: Split[Any, Any] | None, chains: list[Chain[Any, Any]]) -> None:
    """I5."""
    name = shard.mu.name
    require(split is not None, f"I5: {name} has left the route, but was not split")
    require(shard.split.peek() is split, f"I5: {name} has left the route, but its split has not stayed")
    same = all(bin_.peek() is chain for bin_, chain in zip(shard.bins, chains, strict=True))
    require(same, f"I5: {name} has left the route, but was written to")
