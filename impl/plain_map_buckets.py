"""The memory of Go's built-in map (src/runtime/map.go, 1.22): slots, buckets, and when they are too few.

The idea: a bucket is eight slots and a link; a slot is three words of plain memory, so that every step of a change
can be seen, and interleaved with another thread's. The byte `tophash` says of a slot that it is empty, or where
what it held was moved to, or else is the top byte of its key's hash.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import xxhash

from mapproof.impl.sync import Plain

BUCKET_COUNT: Final = 8
"""Slots of a bucket."""

# What a slot's tophash says when it is not the top byte of a hash.
EMPTY_REST: Final = 0  # empty, and so is every later slot of the chain
EMPTY_ONE: Final = 1
EVACUATED_X: Final = 2  # moved to the bucket of the same number
EVACUATED_Y: Final = 3  # moved to the new half of the array
EVACUATED_EMPTY: Final = 4
MIN_TOPHASH: Final = 5

# Bits of the map's flags.
ITERATOR: Final = 1  # there may be an iterator over buckets
OLD_ITERATOR: Final = 2  # there may be an iterator over oldbuckets
HASH_WRITING: Final = 4
SAME_SIZE_GROW: Final = 8

HashFunction: TypeAlias = Callable[[Any, int], int]
"""(key, seed) -> 64 bits. Equal keys must have equal hashes; raises TypeError for a key that has none."""


def hash64(key: Any, seed: int) -> int:
    """xxHash (XXH3, 64 bits) of Python's own hash of the key. Raises TypeError if the key is unhashable."""
    return xxhash.xxh3_64_intdigest((hash(key) & (1 << 64) - 1).to_bytes(8, "little"), seed)


def equals_itself(key: Any) -> bool:
    """Whether the key can be found again; a NaN cannot."""
    return bool(operator.eq(key, key))


def tophash_of(hash_: int) -> int:
    """The top byte of a hash, moved out of the way of the marks."""
    top = hash_ >> 56 & 0xFF
    return top if top >= MIN_TOPHASH else top + MIN_TOPHASH


def bucket_mask(B: int) -> int:
    """The bits of a hash that choose among 2^B buckets."""
    return (1 << B) - 1


def over_load_factor(count: int, B: int) -> bool:
    """Whether `count` keys are more than 6.5 a bucket; eight fit in one bucket in any case."""
    return count > BUCKET_COUNT and count > 13 * ((1 << B) // 2)


def too_many_overflow_buckets(noverflow: int, B: int) -> bool:
    """Whether there are about as many overflow buckets as buckets: many deletions have left the chains sparse."""
    return noverflow >= 1 << min(B, 15)


class Slot:
    """Room for one key and its value."""

    __slots__ = ("elem", "key", "tophash")

    def __init__(self, number: int) -> None:
        self.tophash: Plain[int] = Plain(EMPTY_REST, _TOPHASH[number])
        self.key: Plain[Any] = Plain(None, _KEY[number])
        self.elem: Plain[Any] = Plain(None, _ELEM[number])

    def wipe(self) -> None:
        """Forget the key and the value, so that they can be collected."""
        self.key.write(None)
        self.elem.write(None)


_TOPHASH, _KEY, _ELEM = (
    tuple(f"{field}[{i}]" for i in range(BUCKET_COUNT)) for field in ("tophash", "key", "elem")
)


class Bucket:
    """Eight slots and a link to the bucket that takes what does not fit (Go: bmap)."""

    __slots__ = ("overflow", "slots")

    def __init__(self) -> None:
        self.slots = tuple(Slot(number) for number in range(BUCKET_COUNT))
        self.overflow: Plain[Bucket | None] = Plain(None, "overflow")

    def chain(self) -> Iterator[Bucket]:
        """This bucket and its overflow buckets, each link read when it is followed."""
        bucket: Bucket | None = self
        while bucket is not None:
            yield bucket
            bucket = bucket.overflow.read()

    def chain_slots(self) -> Iterator[Slot]:
        """The slots of the chain."""
        for bucket in self.chain():
            yield from bucket.slots

    def is_evacuated(self) -> bool:
        """Whether it was moved to the new array."""
        return EMPTY_ONE < self.slots[0].tophash.read() < MIN_TOPHASH

    def find(self, key: Any, top: int) -> tuple[Slot | None, Slot | None, Bucket]:
        """The slot of the key, the first free slot before the search ended, and the bucket where it did."""
        free = None
        for bucket in self.chain():
            for slot in bucket.slots:
                seen = slot.tophash.read()
                if seen == top and slot.key.read() == key:
                    return slot, free, bucket
                if free is None and seen <= EMPTY_ONE:
                    free = slot
                if seen == EMPTY_REST:
                    return None, free, bucket
        return None, free, bucket

    def wipe(self) -> None:
        """Forget keys, values and the overflow buckets; the tophashes stay."""
        for slot in self.slots:
            slot.wipe()
        self.overflow.write(None)


Buckets: TypeAlias = tuple[Bucket, ...]


def make_bucket_array(B: int) -> Buckets:
    """2^B empty buckets."""
    return tuple(Bucket() for _ in range(1 << B))
