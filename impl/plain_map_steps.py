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

from collections.abc import Callable, Sequence
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple

from mapproof.impl import plain_map_invariants
from mapproof.impl.invariants import require
from mapproof.impl.plain_map_buckets import (
    EMPTY_ONE,
    EMPTY_REST,
    HASH_WRITING,
    ITERATOR,
    MIN_TOPHASH,
    OLD_ITERATOR,
    Bucket,
    Buckets,
    Slot,
    equals_itself,
    tophash_of,
)
from mapproof.impl.plain_map_invariants import chain_of, is_evacuated
from mapproof.impl.sync import Plain

if TYPE_CHECKING:
    from mapproof.impl.plain_map import PlainMap


class Chain(NamedTuple):
    """What one look at a bucket and its overflow buckets showed."""

    place: tuple[
        int, int, int
    ]  # the map's seed, the bits of a hash that choose the bucket, buckets of the chain
    seen: Sequence[Any]  # tophash and key of each slot: with the place, all that the rest follows from
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
        self._table = _table(map_)
        self._right: tuple[int, list[Any]] = 0, []
        """The flags, save for iterators' marks, and the table, when all was found right the last time."""
        self._known: dict[Bucket, Chain] = {}
        self._resting = False
        self._clearing = False
        self._keys = 0
        self._buckets: Buckets = ()
        self._old: Buckets = ()
        self._evacuated: list[Bucket] = []

    def __call__(self) -> None:
        """Raise AssertionError, naming the invariant that is broken."""
        flags, table = self._map.flags.peek() & ~(ITERATOR | OLD_ITERATOR), self._table.values()
        known_flags, known_table = self._right
        if flags == known_flags and same_objects(table, known_table):
            return
        if flags & HASH_WRITING:
            self._check_writing(table)
        else:
            self._check_resting()
        self._right = flags, table

    # -- while nobody writes

    def _check_resting(self) -> None:
        require(not self._resting, "S1: the table was changed while the flag says that nobody writes")
        plain_map_invariants.check(self._map)
        count = self._map.count.peek()
        require(not (self._clearing and count), f"S7: what only a clear does was done, and left {count} keys")
        self._clearing = False
        self._resting = True
        self._remember(count)

    def _remember(self, keys: int) -> None:
        self._keys, self._buckets, self._old = keys, self._map.buckets.peek(), self._map.oldbuckets.peek()
        self._evacuated = [head for head in self._old if is_evacuated(head)]

    # -- while somebody does

    def _check_writing(self, table: Sequence[Any]) -> None:
        map_, self._resting = self._map, False
        buckets, old, count = map_.buckets.peek(), map_.oldbuckets.peek(), map_.count.peek()
        self._check_arrays(buckets, old)
        parts = self._table.chains
        chains = self._look(buckets, table, parts)
        old_chains = [] if old is buckets else self._look(old, table, parts[len(buckets) :])
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

    def _look(self, array: Buckets, table: Sequence[Any], parts: Sequence[Part]) -> list[Chain]:
        """Each chain of the array. What is as it was at the last look need not be judged again."""
        found, hash0, mask = list[Chain](), self._map.hash0.peek(), len(array) - 1
        for number, (head, part) in enumerate(zip(array, parts, strict=False)):
            place, seen = (hash0, mask, part.buckets), table[part.slots]
            known = self._known.get(head)
            if known is None or known.place != place or not same_objects(seen, known.seen):
                known = self._judged(place, seen, number)
            found.append(known)
        return found

    def _judged(self, place: tuple[int, int, int], seen: Sequence[Any], number: int) -> Chain:
        hash0, mask, buckets = place
        tops, keys = seen[::2], seen[1::2]
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
            place=place,
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


class Part(NamedTuple):
    """Where among the variables of a table those of one chain are."""

    buckets: int
    slots: slice


class Variables:
    """What a table is made of: the links between its buckets, some fields of the map, some variables of each slot.

    They are looked for again only when a link has changed, as most steps change one variable or none.
    """

    def __init__(
        self,
        map_: PlainMap[Any, Any],
        fields: Sequence[Plain[Any]],
        of_slot: Callable[[Slot], Sequence[Plain[Any]]],
    ) -> None:
        self._map, self._fields, self._of_slot = map_, fields, of_slot
        self._links: list[Any] = []
        self._all: list[Plain[Any]] = []
        self.chains: list[Part] = []
        """Those of the buckets, then those of the old ones."""

    def values(self) -> list[Any]:
        """What they hold now."""
        found = [variable.peek() for variable in self._all]
        if self._links and same_objects(found[: len(self._links)], self._links):
            return found
        self._find()
        return [variable.peek() for variable in self._all]

    def _find(self) -> None:
        chains = [chain_of(head) for head in (*self._map.buckets.peek(), *self._map.oldbuckets.peek())]
        overflow = (bucket.overflow for buckets in chains for bucket in buckets)
        links: list[Plain[Any]] = [self._map.buckets, self._map.oldbuckets, *overflow]
        self._links, self._all = [link.peek() for link in links], [*links, *self._fields]
        self.chains = []
        for buckets in chains:
            slots = (slot for bucket in buckets for slot in bucket.slots)
            before = len(self._all)
            self._all += (variable for slot in slots for variable in self._of_slot(slot))
            self.chains.append(Part(len(buckets), slice(before, len(self._all))))


def _table(map_: PlainMap[Any, Any]) -> Variables:
    """All but the values, which a store writes after its mutation."""
    fields = (map_.B, map_.count, map_.noverflow, map_.hash0, map_.nevacuate)
    return Variables(map_, fields, lambda slot: (slot.tophash, slot.key))


def elements_of(map_: PlainMap[Any, Any]) -> Variables:
    """The value of each slot, of empty ones too."""
    return Variables(map_, (), lambda slot: (slot.elem,))


def same_objects(objects: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether they are the very same objects: users' keys are not asked whether they are equal."""
    return len(objects) == len(others) and all(map(is_, objects, others))
