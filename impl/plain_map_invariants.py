"""What holds of a `PlainMap` between its operations.

J1  nobody is writing: the flag is clear; a nil map has nothing
J2  there are 2^B buckets; while growing, half as many old ones (as many, if the growth is of the same size)
J3  old buckets below `nevacuate` are evacuated, and there is one left that the mark has not passed
J4  a bucket of an old bucket that is not evacuated yet is empty
J5  every key is in a bucket that its hash chooses, with the top byte of its hash, and no key is there twice
J6  after a slot that is marked "empty, and so is the rest" no slot of the chain is taken
J7  `count` is the number of keys, `noverflow` the number of overflow buckets (below 2^16 buckets)
J8  a map that is not growing is not over its load, save for what was added while a growth of the same size ran
J9  an empty slot of the array holds neither key nor value
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mapproof.impl.invariants import require
from mapproof.impl.plain_map_buckets import (
    EMPTY_ONE,
    EMPTY_REST,
    HASH_WRITING,
    MIN_TOPHASH,
    SAME_SIZE_GROW,
    Bucket,
    Slot,
    bucket_mask,
    equals_itself,
    over_load_factor,
    tophash_of,
)

if TYPE_CHECKING:
    from mapproof.impl.plain_map import PlainMap


def check(map_: PlainMap[Any, Any]) -> None:
    """Raise AssertionError, naming the invariant that is broken. Looks without being seen by the hook."""
    B, buckets, old, count = map_.B.peek(), map_.buckets.peek(), map_.oldbuckets.peek(), map_.count.peek()
    require(not map_.flags.peek() & HASH_WRITING, "J1: the flag says that somebody is writing")
    require(not (map_.is_nil and buckets), "J1: a nil map has buckets")
    require(len(buckets) == (1 << B if buckets or B else 0), f"J2: {len(buckets)} buckets, B is {B}")
    _check_old(map_)
    keys = [key for number in range(len(buckets)) for key in _keys(map_, buckets[number], number, B)]
    old_B = len(old).bit_length() - 1
    waiting = [number for number in range(len(old)) if not is_evacuated(old[number])]
    keys += [key for number in waiting for key in _keys(map_, old[number], number, old_B)]
    findable = [key for key in keys if equals_itself(key)]
    require(len(set(findable)) == len(findable), "J5: a key is there twice")
    require(len(keys) == count, f"J7: {len(keys)} keys, count is {count}")
    overflow = sum(len(chain_of(head)) - 1 for head in buckets)
    noverflow = map_.noverflow.peek()
    require(B >= 16 or overflow == noverflow, f"J7: {overflow} overflow buckets, noverflow is {noverflow}")
    # Each operation of a growth evacuates a bucket at least, and only a new key that meets none asks for more room.
    added = (1 << B) - 1
    require(bool(old) or not over_load_factor(count - added, B), f"J8: {count} keys in 2^{B} buckets")


def _check_old(map_: PlainMap[Any, Any]) -> None:
    buckets, old, mark = map_.buckets.peek(), map_.oldbuckets.peek(), map_.nevacuate.peek()
    same_size = bool(map_.flags.peek() & SAME_SIZE_GROW)
    if not old:
        require(not same_size, "J2: a growth of the same size without old buckets")
        return
    expected = len(buckets) if same_size else len(buckets) // 2
    require(len(old) == expected, f"J2: {len(old)} old buckets for {len(buckets)}")
    require(mark < len(old), f"J3: nevacuate is {mark} of {len(old)}, but the growth is not over")
    for number, head in enumerate(old):
        evacuated = is_evacuated(head)
        require(evacuated or number >= mark, f"J3: old bucket {number} is behind nevacuate, which is {mark}")
        if not evacuated:
            for target in {number, number if same_size else number + len(old)}:
                empty = all(slot.tophash.peek() == EMPTY_REST for slot in slots_of(buckets[target]))
                require(empty, f"J4: bucket {target} has keys, and old bucket {number} is not evacuated")


def _keys(map_: PlainMap[Any, Any], head: Bucket, number: int, B: int) -> Iterator[Any]:
    """The keys of one chain, each checked."""
    rest = False
    for slot in slots_of(head):
        top, key = slot.tophash.peek(), slot.key.peek()
        if top <= EMPTY_ONE:
            rest |= top == EMPTY_REST
            left = (key, slot.elem.peek()) != (None, None)
            require(
                not left, f"J9: an empty slot of bucket {number} still holds {key!r}: {slot.elem.peek()!r}"
            )
            continue
        require(not rest, f"J6: {key!r} comes after the end of bucket {number}")
        require(top >= MIN_TOPHASH, f"J5: {key!r} is marked as moved, in bucket {number}, which was not")
        if equals_itself(key):
            hash_ = map_.hash_function(key, map_.hash0.peek())
            require(hash_ & bucket_mask(B) == number, f"J5: {key!r} is in bucket {number}, against its hash")
            require(tophash_of(hash_) == top, f"J5: {key!r} has the tophash {top}, against its hash")
        yield key


def is_evacuated(head: Bucket) -> bool:
    """Whether it was moved to the new array."""
    return EMPTY_ONE < head.slots[0].tophash.peek() < MIN_TOPHASH


def chain_of(head: Bucket) -> list[Bucket]:
    """The bucket and its overflow buckets."""
    chain = [head]
    while (bucket := chain[-1].overflow.peek()) is not None:
        chain.append(bucket)
    return chain


def slots_of(head: Bucket) -> Iterator[Slot]:
    """The slots of the chain."""
    for bucket in chain_of(head):
        yield from bucket.slots
