"""What holds of a `PlainMap` at every step of its one writer, or of its many readers.

The idea: while the flag says that nobody writes, all of J1 to J9 (`plain_map_invariants`) hold, and nothing moves.
While somebody does, the table is between two such states, but never out of shape:

S1  the table changes only while the flag says that somebody is writing (save for values and iterators' marks)
S2  there are 2^B buckets, or a growth is about to put them in; the array that they replace becomes the old one
S3  old buckets are let go when all of them are evacuated, or when no key is left
S4  every key is in a bucket that its hash chooses, with the top byte of its hash, and no key is there twice
S5  no more than one old bucket is half evacuated; one that is not evacuated has empty new buckets, and the mark
    has not passed it once the growth has begun
S6  the keys are at most one more than `count`, and the overflow buckets at most `noverflow`
S7  only a clear takes a second key away, marks an end before a key, or unmarks what was evacuated: and then
    the keys do not become more, and when the writing is over there are none
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_
from typing import TYPE_CHECKING, Any

from mapproof.impl import plain_map_invariants
from mapproof.impl.plain_map_buckets import (
    EMPTY_ONE,
    EMPTY_REST,
    HASH_WRITING,
    ITERATOR,
    MIN_TOPHASH,
    OLD_ITERATOR,
    Bucket,
    Buckets,
    equals_itself,
    tophash_of,
)
from mapproof.impl.plain_map_invariants import chain_of, is_evacuated, require, slots_of

if TYPE_CHECKING:
    from mapproof.impl.plain_map import PlainMap


class StepInvariants:
    """Looks at one map between any two accesses, and remembers what it saw. Unseen by the hook."""

    def __init__(self, map_: PlainMap[Any, Any]) -> None:
        self._map = map_
        self._resting: list[Any] | None = None
        self._clearing = False
        self._keys = 0
        self._buckets: Buckets = ()
        self._old: Buckets = ()
        self._evacuated: list[Bucket] = []

    def __call__(self) -> None:
        """Raise AssertionError, naming the invariant that is broken."""
        if self._map.flags.peek() & HASH_WRITING:
            self._check_writing()
        else:
            self._check_resting()

    # -- while nobody writes

    def _check_resting(self) -> None:
        table = list(_table(self._map))
        if self._resting is not None:
            same = len(table) == len(self._resting) and all(map(is_, table, self._resting))
            require(same, "S1: the table was changed while the flag says that nobody writes")
            return
        plain_map_invariants.check(self._map)
        count = self._map.count.peek()
        require(not (self._clearing and count), f"S7: what only a clear does was done, and left {count} keys")
        self._clearing = False
        self._resting = table
        self._remember(count)

    def _remember(self, keys: int) -> None:
        self._keys, self._buckets, self._old = keys, self._map.buckets.peek(), self._map.oldbuckets.peek()
        self._evacuated = [head for head in self._old if is_evacuated(head)]

    # -- while somebody does

    def _check_writing(self) -> None:
        map_, self._resting = self._map, None
        buckets, old, count = map_.buckets.peek(), map_.oldbuckets.peek(), map_.count.peek()
        self._check_arrays(buckets, old)
        chains = [
            chain for array in {id(buckets): buckets, id(old): old}.values() for chain in _chains(array)
        ]
        keys = [key for chain in chains for key in self._keys_of(*chain)]
        findable = [key for key in keys if key is not None and equals_itself(key)]
        require(len(set(findable)) == len(findable), "S4: a key is there twice")
        require(len(keys) <= count + 1, f"S6: {len(keys)} keys, count is {count}")
        self._clearing |= len(keys) < count - 1 or any(
            not is_evacuated(head) for head in self._evacuated if old is self._old
        )
        more = self._clearing and len(keys) > self._keys
        require(not more, f"S7: what only a clear does was done, and then there were {len(keys)} keys")
        if keys and not self._clearing:
            self._check_overflow(buckets)
            self._check_mark(old)
        if old and old is not buckets:
            _check_growth(buckets, old)
        self._remember(len(keys))

    def _check_arrays(self, buckets: Buckets, old: Buckets) -> None:
        B, starting = self._map.B.peek(), not old or old is buckets
        sizes = {1 << B, *([1 << B - 1] if starting and B else []), *(() if buckets or B else [0])}
        require(len(buckets) in sizes, f"S2: {len(buckets)} buckets, B is {B}")
        if buckets is not self._buckets and self._buckets:
            require(old is self._buckets, "S2: the buckets were replaced, and are not the old ones now")
        if old and old is not buckets:
            require(len(old) in (len(buckets), len(buckets) // 2), f"S2: {len(old)} old for {len(buckets)}")
        if self._old and not old and self._keys:
            require(
                all(map(is_evacuated, self._old)), "S3: old buckets were let go before all were evacuated"
            )

    def _keys_of(self, head: Bucket, number: int, mask: int) -> Iterator[Any]:
        """The keys of one chain, each checked; None where a key is on its way."""
        rest, moved, hash0 = False, is_evacuated(head), self._map.hash0.peek()
        for slot in slots_of(head):
            top, key = slot.tophash.peek(), slot.key.peek()
            if top < MIN_TOPHASH:
                rest |= top == EMPTY_REST
                self._clearing |= top > EMPTY_ONE and not moved
                continue
            self._clearing |= rest
            if key is not None and equals_itself(key):
                hash_ = self._map.hash_function(key, hash0)
                right = hash_ & mask == number and tophash_of(hash_) == top
                require(right, f"S4: {key!r} is in bucket {number} with the tophash {top}, against its hash")
            yield key

    def _check_overflow(self, buckets: Buckets) -> None:
        links, noverflow = sum(len(chain_of(head)) - 1 for head in buckets), self._map.noverflow.peek()
        few = links <= noverflow or self._map.B.peek() >= 16
        require(few, f"S6: {links} overflow buckets, noverflow is {noverflow}")

    def _check_mark(self, old: Buckets) -> None:
        passed = [
            number for number, head in enumerate(old[: self._map.nevacuate.peek()]) if not is_evacuated(head)
        ]
        begun = any(map(is_evacuated, old))
        require(
            not (begun and passed),
            f"S5: old buckets {passed} are not evacuated, but the mark has passed them",
        )


def _check_growth(buckets: Buckets, old: Buckets) -> None:
    halves = [
        number
        for number, head in enumerate(old)
        if is_evacuated(head) and any(slot.tophash.peek() >= MIN_TOPHASH for slot in slots_of(head))
    ]
    require(len(halves) <= 1, f"S5: old buckets {halves} are half evacuated")
    for number, head in enumerate(old):
        if not is_evacuated(head):
            for target in range(number, len(buckets), len(old)):
                empty = all(slot.tophash.peek() == EMPTY_REST for slot in slots_of(buckets[target]))
                require(empty, f"S5: bucket {target} has keys, and old bucket {number} is not evacuated")


def _chains(array: Buckets) -> Iterator[tuple[Bucket, int, int]]:
    """Each head with its number and the bits of a hash that choose it."""
    for number, head in enumerate(array):
        yield head, number, len(array) - 1


def _table(map_: PlainMap[Any, Any]) -> Iterator[Any]:
    """Every object that the table is made of; values are left out, as a store writes them after its mutation."""
    buckets, old = map_.buckets.peek(), map_.oldbuckets.peek()
    yield buckets
    yield old
    yield map_.flags.peek() & ~(ITERATOR | OLD_ITERATOR)
    for field in (map_.B, map_.count, map_.noverflow, map_.hash0, map_.nevacuate):
        yield field.peek()
    for head in (*buckets, *old):
        for slot in slots_of(head):
            yield slot.tophash.peek()
            yield slot.key.peek()
