"""A map in shards that split while in use: readers never wait, and a writer at most for one batch of a migration.

The idea: a shard is a row of bins, each one atomic word that holds an immutable chain, so a reader is two atomic
loads (the route, the bin), and only writers take the shard's `mu`. The route is the directory of extendible
hashing (Fagin, Nievergelt, Pippenger and Strong, TODS 1979): a power of two of slots, where a shard that was split
less often than others has several. So one shard alone is split when its load factor passes 0.75, and still every
key is where the bits of its hash say.

A split goes through the states that such designs call migrating 1 and migrating 0:

    none         the shard owns its keys
    migrating 1  the shard still owns them, and readers read it; every write is made twice, here and then in the new
                 shard. Meanwhile a cursor goes over the bins, twice, in batches: it copies, then it compares
    migrating 0  the route leads to the new shards, which own the keys; the old shard never changes again

Why that is right:

* No write is lost. Both writes of a writer are one critical section of the old shard's `mu`; the cursor reads and
  copies a bin in one too, and so does the switch set the route. Hence nobody copies a value that has been
  overwritten or deleted meanwhile (a cursor that read first and locked later would bring a deleted key back, even
  if it only filled gaps), and no switch finds a writer between its two writes.
* No bin that was copied comes apart again, for writes are made to both: I4 holds until the switch, which is why
  the comparison may be done in batches.
* A writer that waited for `mu` of a shard that was split meanwhile sees migrating 0 and asks the route again.
* Linearization points. A write: its store to the owner's bin, the first of the two. A read: its load of the bin,
  if the shard is the owner then. Else the shard was the owner when the reader loaded the route and has been frozen
  since the switch, so what the reader finds is what the key held at the switch, which is inside the read. That
  is why readers need not look again, and why the old shard must stay as it is.
* Progress. `load`, `range` and `len` are wait-free but for the length of a chain. A writer waits for other writers
  of its shard, for a batch, or for a switch, which copies the route (at most `max_shards` slots); it looks
  for its shard again at most once for each split that overtakes it.

Moving a key (removing it here, then adding it there) would leave a moment in which it is nowhere; writing only to
the new shard would hide the write from readers of the old one. Nothing runs in the background: a migration goes on
when somebody calls `maintain` or `rehash`.

What holds of the map between operations, and what at every step, is told and checked in `sharded_map_invariants`.

"LP" in a docstring is the linearization point: the one access at which the operation takes effect.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Final, Generic, TypeVar, overload

from mapproof.impl.hashing import MASK_64, Routing, check_shards, mixed_hash
from mapproof.impl.sharded_map_invariants import EveryStep, check_at_rest
from mapproof.impl.shards import (
    Migrating,
    Node,
    Route,
    Shard,
    Split,
    is_overloaded,
)
from mapproof.impl.sync import Atomic, Mutex, Plain
from mapproof.spec.claims import Claims, Contract

K = TypeVar("K")
V = TypeVar("V")

SAMPLE_EVERY: Final = 5.0
"""Seconds between two looks at the load of the shards."""


class RehashError(RuntimeError):
    """The new shards were found not to agree with the old one, which stays the owner: nothing was lost."""


class ShardedMap(Generic[K, V]):
    """A concurrent map, usable from any number of threads without further locks.

    Keys are told apart as a dict does, values by `==` (so `1`, `1.0` and `True` are one key, or one old value).
    A key or a value that calls the map from its `__eq__`, `__hash__` or `__del__` may deadlock, as these may run while
    a shard's `mu` is held.

    `shards`, `capacity` (the bins of each shard) and `max_shards` are powers of two. `hash_key` gives the 64 bits
    that route a key, the same for equal keys; keys that no bit tells apart stay in one bin, and the search in it is
    linear. `batch` is how many bins the cursor does while it holds the shard's `mu`. `clock` is in seconds.
    Raises ValueError for numbers that are not so.
    """

    __slots__ = (
        "batch",
        "clock",
        "cursor",
        "hash_key",
        "max_shards",
        "migrator",
        "route",
        "sampled_at",
        "waiting",
    )

    claims: ClassVar[Claims] = Claims(range=Contract.PER_KEY, clear=Contract.PER_KEY)

    def __init__(
        self,
        *,
        shards: int = 16,
        capacity: int = 64,
        max_shards: int = 1 << 12,
        routing: Routing = Routing.LOW_BITS,
        hash_key: Callable[[K], int] = mixed_hash,
        batch: int = 64,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if batch < 1:
            raise ValueError(f"the cursor must do at least one bin at a time, not {batch}")
        if capacity < 1 or capacity & (capacity - 1):
            raise ValueError(f"the capacity of a shard must be a power of two, not {capacity}")
        self.max_shards = check_shards(max_shards)
        self.hash_key = hash_key
        self.batch = batch
        self.clock = clock
        first = tuple(Shard[K, V](index, shards, capacity) for index in range(check_shards(shards)))
        self.route = Atomic(Route(first, routing), "route")
        self.migrator = Mutex("migrator")
        self.waiting: Plain[tuple[Shard[K, V], ...]] = Plain((), "waiting")
        self.cursor = Plain(0, "cursor")
        self.sampled_at = Plain(-math.inf, "sampled_at")

    def load(self, key: K) -> tuple[V | None, bool]:
        """`(value, True)` or `(None, False)`. LP: the load of the bin, or the switch if that came before it."""
        hash_value = self._hash(key)
        return _found(self.route.load().owner_of(hash_value).find(hash_value, key))

    def store(self, key: K, value: V) -> None:
        """Set the value of the key. LP as `swap`."""
        self.swap(key, value)

    def load_or_store(self, key: K, value: V) -> tuple[V, bool]:
        """`(actual, True)` if the key was there, else `(value, False)`. LP: the load or the store of the bin."""
        hash_value = self._hash(key)
        with self._owner_locked(hash_value) as shard:
            node = shard.find(hash_value, key)
            if node is not None:
                return node.value, True
            shard.exchange_locked(hash_value, None, Node(hash_value, key, value))
            return value, False

    def load_and_delete(self, key: K) -> tuple[V | None, bool]:
        """Delete the key; what it held. LP: the store of the bin; absent: its load."""
        hash_value = self._hash(key)
        with self._owner_locked(hash_value) as shard:
            node = shard.find(hash_value, key)
            if node is not None:
                shard.exchange_locked(hash_value, node, None)
            return _found(node)

    def delete(self, key: K) -> None:
        """Delete the key if it is there. LP as `load_and_delete`."""
        self.load_and_delete(key)

    def swap(self, key: K, value: V) -> tuple[V | None, bool]:
        """Set the value of the key; what it held before. LP: the store of the bin."""
        hash_value = self._hash(key)
        with self._owner_locked(hash_value) as shard:
            node = shard.find(hash_value, key)
            kept = key if node is None else node.key
            shard.exchange_locked(hash_value, node, Node(hash_value, kept, value))
            return _found(node)

    def compare_and_swap(self, key: K, old: V, new: V) -> bool:
        """Replace the value if it equals `old`; a missing key equals nothing. LP: the store or load of the bin."""
        hash_value = self._hash(key)
        with self._owner_locked(hash_value) as shard:
            node = shard.find(hash_value, key)
            if not (node is not None and node.value == old):
                return False
            shard.exchange_locked(hash_value, node, Node(hash_value, node.key, new))
            return True

    def compare_and_delete(self, key: K, old: V) -> bool:
        """Delete the key if its value equals `old`. LP: the store or load of the bin."""
        hash_value = self._hash(key)
        with self._owner_locked(hash_value) as shard:
            node = shard.find(hash_value, key)
            if not (node is not None and node.value == old):
                return False
            shard.exchange_locked(hash_value, node, None)
            return True

    @overload
    def range(self) -> list[tuple[K, V]]: ...
    @overload
    def range(self, f: Callable[[K, V], bool]) -> None: ...
    def range(self, f: Callable[[K, V], bool] | None = None) -> list[tuple[K, V]] | None:
        """Call `f(key, value)` for each pair until it answers false; without `f`, the pairs.

        Each key is read at one moment of the call, LP as `load`: all keys come by one route, so none comes twice.
        """
        nodes = (
            node for shard in self.route.load().shards() for chain in shard.bins for node in chain.load()
        )
        if f is None:
            return [(node.key, node.value) for node in nodes]
        for node in nodes:
            if not f(node.key, node.value):
                break
        return None

    def clear(self) -> None:
        """Delete every key, each at one moment of the call. LP: the store of its bin."""
        shards = list(self.route.load().shards())
        while shards:
            shard = shards.pop()
            with shard.mu:
                successors = shard.successors_locked()
                if not successors:
                    shard.clear_locked()
            shards.extend(successors)

    def len(self) -> int:
        """The number of keys: exact if nothing but a migration overlaps the call, else an estimate."""
        return sum(shard.count.load() for shard in self.route.load().shards())

    def __len__(self) -> int:
        return self.len()

    def rehash(self) -> None:
        """Split every shard that there is, whatever its load; those that would need more than `max_shards` slots
        stay. Others may use the map meanwhile. Raises RehashError as `maintain`."""
        with self.migrator:
            self._enqueue_locked(self.route.load().shards())
        while self._migrate():
            pass

    def maintain(self, now: float | None = None) -> bool:
        """Look for overloaded shards if the last look is SAMPLE_EVERY seconds ago, and do one batch of what waits.

        To be called now and then, by any thread, soon again if the answer is True: more is to be done. `now` is
        what the clock shows, unless given. Raises RehashError if the copy of a shard is wrong, which is then dropped.
        """
        now = self.clock() if now is None else now
        with self.migrator:
            if now - self.sampled_at.read() >= SAMPLE_EVERY:
                self.sampled_at.write(now)
                shards = self.route.load().shards()
                self._enqueue_locked(s for s in shards if is_overloaded(s.count.load(), len(s.bins)))
        return self._migrate()

    def check_invariants(self) -> None:
        """Raise AssertionError, saying which of I1 to I4 is broken. Only for a map that no thread is using."""
        check_at_rest(self, self._hash)

    def step_invariants(self) -> Callable[[], None]:
        """A check of I1 to I5 for between any two accesses of any threads; raises as `check_invariants`.

        It remembers what it saw, so one is for one run. Threads must stand still while it looks.
        """
        return EveryStep(self, self._hash)

    def _hash(self, key: K) -> int:
        return self.hash_key(key) & MASK_64

    @contextlib.contextmanager
    def _owner_locked(self, hash_value: int) -> Iterator[Shard[K, V]]:
        """The shard that owns the hash, and will as long as its `mu` is held."""
        while True:
            shard = self.route.load().owner_of(hash_value)
            with shard.mu:
                if not shard.successors_locked():
                    yield shard
                    return

    def _enqueue_locked(self, shards: Iterable[Shard[K, V]]) -> None:
        """Needs `migrator`, as do the following."""
        able = (shard for shard in shards if 2 * shard.shards <= self.max_shards)
        self.waiting.write(tuple(dict.fromkeys((*self.waiting.read(), *able))))

    def _migrate(self) -> bool:
        """Do one batch for the first waiting shard, whoever let it wait; whether more is to be done."""
        with self.migrator:
            waiting, cursor = self.waiting.read(), self.cursor.read()
            if not waiting:
                return False
            shard = waiting[0]
            with shard.mu:
                split = self._split_locked(shard)
                end = min(cursor + self.batch, 2 * len(shard.bins))
                agrees = split.advance_locked(cursor, end)
                at_end = end == 2 * len(shard.bins)
                if at_end:
                    agrees = agrees and split.counts_agree()
                if not agrees:
                    shard.split.write(None)
                elif at_end:
                    self._switch_locked(split)
            if at_end or not agrees:
                waiting, end = waiting[1:], 0
            self.waiting.write(waiting)
            self.cursor.write(end)
            if not agrees:
                raise RehashError(f"the copy of {shard.mu.name} was found wrong and dropped; no key was lost")
            return bool(waiting)

    def _split_locked(self, shard: Shard[K, V]) -> Split[K, V]:
        """The shard's split; if there is none yet, its migrating 1 begins here."""
        split = shard.split.read()
        if split is None:
            split = Split(shard, self.route.load().routing)
            shard.split.write(split)
        return split

    def _switch_locked(self, split: Split[K, V]) -> None:
        """Migrating 0. No writer is between the two stores that it does, for it would hold the shard's `mu`."""
        self.route.store(self.route.load().after(split))
        split.migrating.write(Migrating.NEW_ONLY)


def _found(node: Node[K, V] | None) -> tuple[V | None, bool]:
    return (None, False) if node is None else (node.value, True)
