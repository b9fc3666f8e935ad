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

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Chain(NamedTuple):
    """What one look at a bucket and its overflow buckets showed."""

    seen: list[Any]  # every object that the rest follows from
    keys: int  # slots that are taken, perhaps by a key that is on its way
    findable: list[Any]  # those keys that are there and equal themselves
    evacuated: bool
    as_after_a_clear: bool  # a key after the end, or a mark of evacuation after a first slot without one
    empty: bool
    links: int


class StepInvariants:
    """Looks at one map between any two accesses, and remembers what it saw. Unseen by the hook."""

    def __init__(self, map_: PlainMap[Any, Any]) -> None:
        self._map = map_
        self._known: dict[Bucket, Chain] = {}
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
            same = same_objects(table, self._resting)
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
        chains = self._look(buckets)
        old_chains = [] if old is buckets else self._look(old)
        self._known = {**dict(zip(buckets, chains, strict=True)), **dict(zip(old, old_chains, strict=False))}
        both = [*chains, *old_chains]
        keys = sum(each.keys for each in both)
        findable = list(chain.from_iterable(each.findable for each in both))
        require(len(set(findable)) == len(findable), "S4: a key is there twice")
        require(keys <= count + 1, f"S6: {keys} keys, count is {count}")
        self._clearing |= keys < count - 1 or any(each.as_after_a_clear for each in both)
        self._clearing |= old is self._old and not all(map(is_evacuated, self._evacuated))
        more = self._clearing and keys > self._keys
        require(not more, f"S7: what only a clear does was done, and then there were {keys} keys")
        if keys and not self._clearing:
            self._check_overflow(chains)
            self._check_mark(old_chains)
        _check_growth(chains, old_chains)
        self._remember(keys)

    def _check_arrays(self, buckets: Buckets, old: Buckets) -> None:
        B, starting = self._map.B.peek(), not old or old is buckets
        sizes = {1 << B, *([1 << B - 1] if starting and B else []), *(() if buckets or B else [0])}
        require(len(buckets) in sizes, f"S2: {len(buckets)} buckets, B is {B}")
        if buckets is not self._buckets and self._buckets:
            require(old is self._buckets, "S2: the buckets were replaced, and are not the old ones now")
        if not starting:
            require(len(old) in (len(buckets), len(buckets) // 2), f"S2: {len(old)} old for {len(buckets)}")
        if self._old and not old and self._keys:
            require(
                all(map(is_evacuated, self._old)), "S3: old buckets were let go before all were evacuated"
            )

    def _look(self, array: Buckets) -> list[Chain]:
        """Each chain of the array. What is as it was at the last look need not be judged again."""
        found, hash0, mask = list[Chain](), self._map.hash0.peek(), len(array) - 1
        for number, head in enumerate(array):
            buckets = chain_of(head)
            seen = [hash0, mask, len(buckets)]
            for bucket in buckets:
                for slot in bucket.slots:
                    seen += slot.tophash.peek(), slot.key.peek()
            known = self._known.get(head)
            if known is None or not same_objects(seen, known.seen):
                known = self._judged(seen, number, mask)
            found.append(known)
        return found

    def _judged(self, seen: list[Any], number: int, mask: int) -> Chain:
        hash0, _, buckets, *slots = seen
        tops, keys = slots[::2], slots[1::2]
        evacuated = EMPTY_ONE < tops[0] < MIN_TOPHASH
        taken = [(top, key) for top, key in zip(tops, keys, strict=True) if top >= MIN_TOPHASH]
        findable = [(top, key) for top, key in taken if key is not None and equals_itself(key)]
        for top, key in findable:
            hash_ = self._map.hash_function(key, hash0)
            right = hash_ & mask == number and tophash_of(hash_) == top
            require(right, f"S4: {key!r} is in bucket {number} with the tophash {top}, against its hash")
        end = tops.index(EMPTY_REST) if EMPTY_REST in tops else len(tops)
        marked = any(EMPTY_ONE < top < MIN_TOPHASH for top in tops)
        return Chain(
            seen=seen,
            keys=len(taken),
            findable=[key for _, key in findable],
            evacuated=evacuated,
            as_after_a_clear=any(top >= MIN_TOPHASH for top in tops[end:]) or (marked and not evacuated),
            empty=not any(tops),
            links=buckets - 1,
        )

    def _check_overflow(self, chains: Sequence[Chain]) -> None:
        links, noverflow = sum(each.links for each in chains), self._map.noverflow.peek()
        few = links <= noverflow or self._map.B.peek() >= 16
        require(few, f"S6: {links} overflow buckets, noverflow is {noverflow}")

    def _check_mark(self, old: Sequence[Chain]) -> None:
        mark = self._map.nevacuate.peek()
        passed = [number for number, each in enumerate(old[:mark]) if not each.evacuated]
        begun = any(each.evacuated for each in old)
        sentence = f"S5: old buckets {passed} are not evacuated, but the mark has passed them"
        require(not (begun and passed), sentence)


def _check_growth(chains: Sequence[Chain], old: Sequence[Chain]) -> None:
    halves = [number for number, each in enumerate(old) if each.evacuated and each.keys]
    require(len(halves) <= 1, f"S5: old buckets {halves} are half evacuated")
    for number, each in enumerate(old):
        if not each.evacuated:
            for target in range(number, len(chains), len(old)):
                sentence = f"S5: bucket {target} has keys, and old bucket {number} is not evacuated"
                require(chains[target].empty, sentence)


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


def elements_of(map_: PlainMap[Any, Any]) -> list[Any]:
    """The value of each slot, empty ones too."""
    heads = chain(map_.buckets.peek(), map_.oldbuckets.peek())
    return [slot.elem.peek() for head in heads for slot in slots_of(head)]


def same_objects(objects: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether they are the very same objects: users' keys are not asked whether they are equal."""
    return len(objects) == len(others) and all(map(is_, objects, others))
