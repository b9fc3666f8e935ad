"""Go's built-in map as it was up to Go 1.23 (src/runtime/map.go): a hash table that no lock protects.

The idea: 2^B buckets hold eight slots each; a slot keeps the top byte of its key's hash, so that most comparisons
are of one byte, and a full bucket links to an overflow bucket. A map that is too full swaps in a new array and
moves the old buckets later, one or two with each assignment or deletion ("evacuation"), never with a read. A map
is for one writer or for many readers; the flag `hashWriting` only catches, now and then, who breaks that:

    a writer     checks that the flag is clear, toggles it, mutates, checks that it is set, clears it
    a reader     checks that the flag is clear, and reads on

None of this is atomic, so two writers may mutate at once unseen: both check, both toggle from 0 to 1, both mutate,
both see 1, both clear. An assignment answers a slot, and the value is written after the flag is clear again.
A race that nothing catches may also end in an IndexError: it is what reading outside the array is in Go.

Names are those of Go's source: hmap's fields, mapaccess, mapassign, mapdelete, mapclear, mapiternext, hashGrow,
growWork, evacuate. Memory that Go allocates beforehand (extra.nextOverflow) and keeps for its garbage collector
(extra.overflow) has no counterpart here.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from random import Random
from typing import ClassVar, Final, Generic, TypeVar, overload

from mapproof.impl import plain_map_invariants
from mapproof.impl.plain_map_buckets import (
    BUCKET_COUNT,
    EMPTY_ONE,
    EMPTY_REST,
    EVACUATED_EMPTY,
    EVACUATED_X,
    EVACUATED_Y,
    HASH_WRITING,
    ITERATOR,
    MIN_TOPHASH,
    OLD_ITERATOR,
    SAME_SIZE_GROW,
    Bucket,
    Buckets,
    HashFunction,
    Slot,
    bucket_mask,
    equals_itself,
    hash64,
    make_bucket_array,
    over_load_factor,
    too_many_overflow_buckets,
    tophash_of,
)
from mapproof.impl.plain_map_steps import StepInvariants
from mapproof.impl.sync import Plain, PlainFlags, fatal
from mapproof.spec.claims import Claims

K = TypeVar("K")
V = TypeVar("V")

CONCURRENT_WRITES: Final = "concurrent map writes"
CONCURRENT_READ: Final = "concurrent map read and map write"
CONCURRENT_ITERATION: Final = "concurrent map iteration and map write"
CONCURRENT_CLONE: Final = "concurrent map clone and map write"


class NilMapError(Exception):
    """A write to a nil map: in Go a panic, which can be recovered."""


class PlainMap(Generic[K, V]):
    """A map for one thread, or for many that only read; to be shared, it needs a lock of its user's.

    Keys are told apart by `==` alone, so a NaN is never found again and each store of it adds a key; 0.0 and -0.0
    are one key, and a store leaves the one that was stored last. A key must go on being hashable and comparable
    while it is in the map: one that fails while the map grows may take others with it. `hint` is how many keys to make
    room for; with one `seed`, a map behaves the same each time, the order of its iterations included. Raises
    ValueError if `hint` is negative, and FatalError with Go's words when it notices that it is shared without a lock.
    """

    __slots__ = (
        "B",
        "_rand",
        "buckets",
        "count",
        "flags",
        "hash0",
        "hash_function",
        "is_nil",
        "nevacuate",
        "noverflow",
        "oldbuckets",
    )

    claims: ClassVar[Claims] = Claims()

    def __init__(self, hint: int = 0, *, seed: int = 0, hash_function: HashFunction = hash64) -> None:
        if hint < 0:
            raise ValueError(f"a map cannot have room for {hint} keys")
        B = 0
        while over_load_factor(hint, B):
            B += 1
        self.is_nil = False
        self.hash_function = hash_function
        self._rand = Random(seed)  # not shared memory of the map: in Go each thread draws from its own
        self.count = Plain(0, "count")
        self.flags = PlainFlags(0, "flags")
        self.B = Plain(B, "B")
        self.noverflow = Plain(0, "noverflow")
        self.hash0 = Plain(self._rand.getrandbits(32), "hash0")
        # Empty tuples are Go's nil pointers: the first assignment makes the one bucket of a small map.
        self.buckets: Plain[Buckets] = Plain(make_bucket_array(B) if B else (), "buckets")
        self.oldbuckets: Plain[Buckets] = Plain((), "oldbuckets")
        self.nevacuate = Plain(0, "nevacuate")

    @classmethod
    def nil(cls) -> PlainMap[K, V]:
        """A nil map: empty, and a store raises NilMapError."""
        map_ = cls()
        map_.is_nil = True
        return map_

    def load(self, key: K) -> tuple[V | None, bool]:
        """`(value, True)` or `(None, False)` (Go: mapaccess2). A map without keys is not checked for writers."""
        if self.count.read() == 0:
            self.hash_function(key, 0)  # an unhashable key is an error even where there is nothing to find
            return None, False
        self._check_not_writing(CONCURRENT_READ)
        slot = self._mapaccess(key)
        return (None, False) if slot is None else (slot.elem.read(), True)

    def store(self, key: K, value: V) -> None:
        """Set the value of the key. Raises NilMapError on a nil map."""
        # As in compiled Go: mapassign has cleared the flag before the value is written.
        self._mapassign(key).elem.write(value)

    def delete(self, key: K) -> None:
        """Delete the key if it is there. The deletion of the last key picks a new hash seed."""
        if self.count.read() == 0:
            self.hash_function(key, 0)
            return
        self._check_not_writing(CONCURRENT_WRITES)
        hash_ = self._hasher(key)
        with self._hash_writing():
            self._mapdelete(key, hash_)

    def clear(self) -> None:
        """Delete every key, a NaN too, and pick a new hash seed. The array of buckets keeps its size."""
        if self.count.read() == 0:
            return
        self._check_not_writing(CONCURRENT_WRITES)
        with self._hash_writing():
            self._mapclear()

    def len(self) -> int:
        """The number of keys. Never checked for writers."""
        return self.count.read()

    def __len__(self) -> int:
        return self.count.read()

    @overload
    def range(self) -> list[tuple[K, V]]: ...
    @overload
    def range(self, f: Callable[[K, V], bool]) -> None: ...
    def range(self, f: Callable[[K, V], bool] | None = None) -> list[tuple[K, V]] | None:
        """Call `f(key, value)` for each pair until it answers false, as `items`; without `f`, the list of pairs."""
        if f is None:
            return list(self.items())
        for key, value in self.items():
            if not f(key, value):
                break
        return None

    def items(self) -> Iterator[tuple[K, V]]:
        """The pairs, from a random place on (Go: mapiterinit, at the first step, and mapiternext).

        The map may change between two steps, by the same thread: no key comes twice, a key that was deleted
        before its turn does not come, a key that was added may come or not. One exception is Go's: a NaN that was
        cleared may still come, if a growth began and ended since the iteration did.
        """
        if self.count.read() == 0:
            return
        B, buckets, random = self.B.read(), self.buckets.read(), self._rand.getrandbits(64)
        mask, offset = bucket_mask(B), random >> B & BUCKET_COUNT - 1
        both = ITERATOR | OLD_ITERATOR
        if self.flags.read() & both != both:
            self.flags.atomic_or(both)  # many threads may iterate at once
        self._check_not_writing(CONCURRENT_ITERATION)
        for number in range(random & mask, (random & mask) + mask + 1):
            head, only_for = self._bucket_to_iterate(buckets, number & mask, B)
            for bucket in head.chain():
                for i in range(BUCKET_COUNT):
                    slot = self._produced(bucket.slots[i + offset & BUCKET_COUNT - 1], only_for, B)
                    if slot is not None:
                        yield slot.key.read(), slot.elem.read()
                        self._check_not_writing(CONCURRENT_ITERATION)

    def clone(self) -> PlainMap[K, V]:
        """A copy (Go: maps.Clone), made key by key, where Go copies whole buckets if it can."""
        if self.is_nil:
            return self.nil()
        made: PlainMap[K, V] = PlainMap(
            self.count.read(), seed=self._rand.getrandbits(32), hash_function=self.hash_function
        )
        made.hash0.write(self.hash0.read())
        if self.count.read() == 0:
            return made
        self._check_not_writing(CONCURRENT_CLONE)
        for head in itertools.chain(self.buckets.read(), self.oldbuckets.read()):
            for slot in head.chain_slots():  # what was evacuated has no tophash of a hash
                if slot.tophash.read() >= MIN_TOPHASH:
                    self._check_not_writing(CONCURRENT_CLONE)
                    made._mapassign(slot.key.read()).elem.write(slot.elem.read())
        return made

    def check_invariants(self) -> None:
        """Raise AssertionError, saying what is broken. Only for a map that no thread is using."""
        plain_map_invariants.check(self)

    def step_invariants(self) -> Callable[[], None]:
        """What to call between any two accesses of its one writer, or of many readers; raises AssertionError,
        saying what is broken. It remembers what it saw, so make it where nobody is writing."""
        return StepInvariants(self)

    # -- finding and changing one key

    def _hasher(self, key: K) -> int:
        """The hash of the key by the map's seed; a key that does not equal itself has another each time."""
        hash_ = self.hash_function(key, self.hash0.read())
        return hash_ if equals_itself(key) else self._rand.getrandbits(64)

    def _check_not_writing(self, message: str) -> None:
        if self.flags.read() & HASH_WRITING:
            fatal(message)

    @contextlib.contextmanager
    def _hash_writing(self) -> Iterator[None]:
        """The mutation inside is marked by the flag; every step of the marking is one plain access."""
        self.flags.write(self.flags.read() ^ HASH_WRITING)
        try:
            yield
        except BaseException:
            # Go's keys cannot fail to compare. One of Python's that does is no race, so none must be found later;
            # nor is a thread that is interrupted in the comparison.
            self._stop_writing()
            raise
        if not self.flags.read() & HASH_WRITING:
            fatal(CONCURRENT_WRITES)
        self._stop_writing()

    def _stop_writing(self) -> None:
        self.flags.write(self.flags.read() & ~HASH_WRITING)

    def _mapaccess(self, key: K) -> Slot | None:
        """The slot of the key, in the old array as long as its bucket was not evacuated."""
        hash_, mask = self._hasher(key), bucket_mask(self.B.read())
        head = self.buckets.read()[hash_ & mask]
        if oldbuckets := self.oldbuckets.read():
            old = oldbuckets[hash_ & (mask if self._is_same_size_grow() else mask >> 1)]
            if not old.is_evacuated():
                head = old
        return head.find(key, tophash_of(hash_))[0]

    def _mapassign(self, key: K) -> Slot:
        """The slot of the key, which is there from now on; the caller writes the value."""
        if self.is_nil:
            raise NilMapError("assignment to entry in nil map")
        self._check_not_writing(CONCURRENT_WRITES)
        hash_ = self._hasher(key)
        with self._hash_writing():
            if not self.buckets.read():
                self.buckets.write(make_bucket_array(0))
            return self._slot_for(key, hash_)

    def _slot_for(self, key: K, hash_: int) -> Slot:
        top = tophash_of(hash_)
        slot, free, last = self._bucket_to_change(hash_).find(key, top)
        if slot is not None:
            slot.key.write(key)  # equal, and yet perhaps another: -0.0 for 0.0
            return slot
        if not self._is_growing() and self._should_grow():
            self._hash_grow()
            return self._slot_for(key, hash_)  # what was found is old now
        if free is None:
            free = self._new_overflow(last).slots[0]
        free.key.write(key)
        free.tophash.write(top)
        self.count.write(self.count.read() + 1)
        return free

    def _mapdelete(self, key: K, hash_: int) -> None:
        top, passed = tophash_of(hash_), list[Slot]()
        slots = self._bucket_to_change(hash_).chain_slots()
        for slot in slots:
            passed.append(slot)
            seen = slot.tophash.read()
            if seen == EMPTY_REST:
                return
            if seen == top and slot.key.read() == key:
                break
        else:
            return
        slot.wipe()
        slot.tophash.write(EMPTY_ONE)
        following = next(slots, None)
        if following is None or following.tophash.read() == EMPTY_REST:
            for slot in reversed(passed):
                if slot.tophash.read() != EMPTY_ONE:
                    break
                slot.tophash.write(EMPTY_REST)
        count = self.count.read() - 1
        self.count.write(count)
        if count == 0:
            self._reseed()

    def _mapclear(self) -> None:
        """Empty the buckets in place: an iterator that holds one, an old one too, must find nothing in it."""
        buckets = self.buckets.read()
        for head in (*buckets, *self.oldbuckets.read()):
            for slot in head.chain_slots():
                slot.tophash.write(EMPTY_REST)
        self.flags.write(self.flags.read() & ~SAME_SIZE_GROW)
        self.oldbuckets.write(())
        self.nevacuate.write(0)
        self.noverflow.write(0)
        self.count.write(0)
        self._reseed()
        for head in buckets:
            head.wipe()

    def _reseed(self) -> None:
        self.hash0.write(self._rand.getrandbits(32))

    def _new_overflow(self, bucket: Bucket) -> Bucket:
        """Link a new bucket to the last of a chain. From 2^16 buckets on, `noverflow` is an estimate."""
        overflow, B = Bucket(), self.B.read()
        if B < 16 or self._rand.getrandbits(B - 15) == 0:
            self.noverflow.write(self.noverflow.read() + 1)
        bucket.overflow.write(overflow)
        return overflow

    # -- growing

    def _is_growing(self) -> bool:
        return bool(self.oldbuckets.read())

    def _is_same_size_grow(self) -> bool:
        return bool(self.flags.read() & SAME_SIZE_GROW)

    def _should_grow(self) -> bool:
        """Whether the next new key makes the map grow."""
        B = self.B.read()
        return over_load_factor(self.count.read() + 1, B) or too_many_overflow_buckets(
            self.noverflow.read(), B
        )

    def _hash_grow(self) -> None:
        """Swap in a new array, of double size if the keys are many, else to pack them; moves none of them."""
        B = self.B.read()
        if over_load_factor(self.count.read() + 1, B):
            B += 1
        else:
            self.flags.write(self.flags.read() | SAME_SIZE_GROW)
        oldbuckets, buckets, flags = self.buckets.read(), make_bucket_array(B), self.flags.read()
        iterators = OLD_ITERATOR if flags & ITERATOR else 0
        self.B.write(B)
        self.flags.write(flags & ~(ITERATOR | OLD_ITERATOR) | iterators)
        self.oldbuckets.write(oldbuckets)
        self.buckets.write(buckets)
        self.nevacuate.write(0)
        self.noverflow.write(0)

    def _bucket_to_change(self, hash_: int) -> Bucket:
        """The bucket of the hash in the new array, after some evacuation if the map is growing (Go: growWork)."""
        number = hash_ & bucket_mask(self.B.read())
        if self._is_growing():
            self._evacuate(number & self._noldbuckets() - 1)
            if self._is_growing():
                self._evacuate(self.nevacuate.read())
        return self.buckets.read()[number]

    def _noldbuckets(self) -> int:
        B = self.B.read()
        return 1 << (B if self._is_same_size_grow() else B - 1)

    def _evacuate(self, oldbucket: int) -> None:
        """Move what the old bucket's chain holds to bucket X of the same number, or Y in the new half."""
        old, newbit = self.oldbuckets.read()[oldbucket], self._noldbuckets()
        if not old.is_evacuated():
            buckets = self.buckets.read()
            halves = [self._free_slots(buckets[oldbucket])]
            if not self._is_same_size_grow():
                halves.append(self._free_slots(buckets[oldbucket + newbit]))
            for slot in old.chain_slots():
                self._evacuate_slot(slot, halves, newbit)
            if not self.flags.read() & OLD_ITERATOR:
                old.wipe()
        if oldbucket == self.nevacuate.read():
            self._advance_evacuation_mark(newbit)

    def _free_slots(self, bucket: Bucket) -> Iterator[Slot]:
        """The slots of a bucket to which nothing was moved yet, and of as many overflow buckets as it takes."""
        while True:
            yield from bucket.slots
            bucket = self._new_overflow(bucket)

    def _evacuate_slot(self, slot: Slot, halves: list[Iterator[Slot]], newbit: int) -> None:
        top = slot.tophash.read()
        if top <= EMPTY_ONE:
            slot.tophash.write(EVACUATED_EMPTY)
            return
        if top < MIN_TOPHASH:
            fatal("bad map state")
        key, use_y = slot.key.read(), 0
        if len(halves) == 2:
            hash_ = self._hasher(key)
            use_y = int(hash_ & newbit != 0)
            if not equals_itself(key) and self.flags.read() & ITERATOR:
                # An iterator must know which half a NaN goes to, and its hash is another each time.
                use_y, top = top & 1, tophash_of(hash_)
        slot.tophash.write(EVACUATED_X + use_y)
        target = next(halves[use_y])
        target.tophash.write(top)
        target.key.write(key)
        target.elem.write(slot.elem.read())

    def _advance_evacuation_mark(self, newbit: int) -> None:
        """Skip old buckets that are done, at most 1024 at a time; when all are, the growth is."""
        oldbuckets, mark = self.oldbuckets.read(), self.nevacuate.read() + 1
        stop = min(mark + 1024, newbit)
        while mark != stop and oldbuckets[mark].is_evacuated():
            mark += 1
        self.nevacuate.write(mark)
        if mark == newbit:
            self.oldbuckets.write(())
            self.flags.write(self.flags.read() & ~SAME_SIZE_GROW)

    # -- iterating

    def _bucket_to_iterate(self, buckets: Buckets, number: int, B: int) -> tuple[Bucket, int | None]:
        """Where the keys of a bucket of the iterator's array are; a number if only those that go there count."""
        oldbuckets = self.oldbuckets.read()
        if oldbuckets and self.B.read() == B:
            # The iteration began during this growth, so its array may not have the keys yet.
            old = oldbuckets[number & self._noldbuckets() - 1]
            if not old.is_evacuated():
                return old, number
        return buckets[number], None

    def _produced(self, slot: Slot, only_for: int | None, B: int) -> Slot | None:
        """Where the pair of this slot is now; None if there is none, or if another bucket's turn produces it."""
        top = slot.tophash.read()
        if top <= EMPTY_ONE or top == EVACUATED_EMPTY:
            return None
        key = slot.key.read()
        reflexive = equals_itself(key)
        if only_for is not None and not self._is_same_size_grow():
            bucket = self._hasher(key) & bucket_mask(B) if reflexive else only_for & bucket_mask(B - 1)
            if not reflexive:
                bucket |= (top & 1) << (B - 1)
            if bucket != only_for:
                return None
        if top not in (EVACUATED_X, EVACUATED_Y) or not reflexive:
            return slot  # a NaN cannot be deleted or changed, so what was moved is right here too
        # Moved since the iteration began, and perhaps deleted or changed.
        return self._mapaccess(key) if self.count.read() else None
