"""A cache in a node's memory, in front of a replica and a primary: never staler than it says, and never back.

The idea: everything that the cache learns says of which position of the primary's log it is (`replication`), so
that it need not matter which news comes first. One rule decides: of two entries of a key, the one of the later
position stays. So a load that was answered before a change, and arrives after it, loses. What the cache has
forgotten still counts, by one number: `floor` is the latest position of any entry that was dropped, and a load
that is older is made again, of the primary.

    hit       an entry younger than `ttl` is answered
    due       one older than `refresh_after` too, and whoever finds it so first lets it be loaded again
    miss      the key is loaded: from the replica; if that lags, or is behind `floor`, from the primary
    change    the log brings it: `apply`, `catch_up`, or `receive` for a log that loses or reorders

A `Flight` is one load of one key that is on its way: at most one a key (single flight), and whoever misses the key
meanwhile waits for it and gets what it brings, its exception too. An exception is not cached. An absent key
is cached as such, for `negative_ttl` seconds; the change that makes the key replaces it.

Nothing runs in the background. `spawn` says who loads what is due: by default the reader that found it, which then
answers what it loaded while the other readers get the old value at once; with the `submit` of an executor
everybody does (Caffeine's `refreshAfterWrite`). If `spawn` raises, the reader loads after all; what it takes and never
runs is made by the first reader that misses the key. A refresh that fails is tried again by the next reader, and
until `ttl` nobody is told.

Bound on staleness. With L the replica's `max_lag`: `load` answers a value that was current at some moment of the
call or less than `ttl + L` before it. For an entry's age counts from before its load began, so that what the load
takes is in it: that entry's value was current at `taken_at - L` or later, and it is answered while it is younger
than `ttl`. A change says itself when it was made. Whoever waited for a flight that began before its call asks again
when that has landed. If moreover each change reaches this cache less than D seconds after it was made,
the bound is the lesser of D and `ttl + L`, as an answer is never older than a change that was received before the
call. If the log is lost, `ttl + L` it stays. Both hold for one clock; what two clocks differ comes on top.

Monotonic reads: of two reads of a key through one cache, one after the other, the second never answers an older
value. It is not so for two caches, nor is a write seen by the next read (read your writes), but for the bound.

Invariants, whenever `mu` is free:

    L1  what a key held at a position does not change
    L2  the entry of a key never goes back to an earlier position; an entry that was dropped is not beyond `floor`
    L3  a flight in `flights` has not landed
    L4  there are no more entries than `max_entries`, or all are of keys in flight
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

from mapproof.impl.replication import Change, Clock, Follower, LagError, Reading, Source
from mapproof.impl.sync import Once, Plain, PlainDict
from mapproof.spec.values import ABSENT

K = TypeVar("K")
V = TypeVar("V")

TTL: Final = 30.0
REFRESH_AFTER: Final = 10.0
NEGATIVE_TTL: Final = 5.0

Spawn = Callable[[Callable[[], None]], object]


class Entry(NamedTuple):
    """`value` (ABSENT: none) is what the key held at position `as_of`; that was current at `taken_at`, in seconds,
    or became so later, or (from a replica) was so at most its lag before."""

    value: Any
    as_of: int
    taken_at: float

    @property
    def answer(self) -> tuple[Any, bool]:
        return (None, False) if self.value is ABSENT else (self.value, True)

    @property
    def rank(self) -> tuple[int, float]:
        """The higher stays: the later position, of one position the later time."""
        return self.as_of, self.taken_at


@dataclass(frozen=True, slots=True)
class Landed:
    """What a flight that `began` then left in the table."""

    began: float
    entry: Entry


class Flight(Generic[K]):
    """A load on its way. Whoever comes to `once` first makes it. `floor` is the cache's when the flight was made:
    from then on, what is learned about the key stays in the table until the flight has landed."""

    __slots__ = ("floor", "key", "once", "outcome")

    def __init__(self, key: K, floor: int) -> None:
        self.key: Final = key
        self.floor: Final = floor
        self.once = Once("flight.once")
        self.outcome: Plain[Landed | Exception | None] = Plain(None, "flight.outcome")


class Due(NamedTuple, Generic[K]):
    """An entry that is to be answered, and the flight that is to renew it."""

    entry: Entry
    flight: Flight[K]


def at_once(task: Callable[[], None]) -> None:
    """A `spawn` that lets who finds an entry due load it."""
    task()


class LocalCache(Follower[K, V]):
    """The rows that one node read or was told of, usable from any number of threads without further locks.

    Make one for each node. It follows the log from the change `after` on (`Primary.newest`).
    Times are in seconds of `clock`. Without `max_entries` it holds what was loaded or changed within the last
    `ttl`, and a few flights; with it, the entries that were learned first go first, and while the replica is behind
    one that went, misses go to the primary. `negative_ttl` may be 0: absent keys are then loaded at each read.
    Keys are told apart as a dict does. A source must not read through the cache that it loads for.
    Raises ValueError for numbers that make no sense.
    """

    __slots__ = (
        "clock",
        "entries",
        "flights",
        "floor",
        "max_entries",
        "negative_ttl",
        "primary",
        "refresh_after",
        "replica",
        "spawn",
        "ttl",
    )

    def __init__(
        self,
        primary: Source[K],
        replica: Source[K],
        after: Change[K, V],
        *,
        ttl: float = TTL,
        refresh_after: float = REFRESH_AFTER,
        negative_ttl: float = NEGATIVE_TTL,
        max_entries: int | None = None,
        clock: Clock = time.monotonic,
        spawn: Spawn = at_once,
    ) -> None:
        if not 0 < refresh_after <= ttl or not 0 <= negative_ttl <= ttl:
            raise ValueError(
                "0 < refresh_after <= ttl and 0 <= negative_ttl <= ttl must hold, not "
                f"{refresh_after=}, {negative_ttl=}, {ttl=}"
            )
        if max_entries is not None and max_entries < 1:
            raise ValueError(f"max_entries must be at least 1, not {max_entries}")
        super().__init__("cache", after)
        self.primary = primary
        self.replica = replica
        self.ttl = ttl
        self.refresh_after = refresh_after
        self.negative_ttl = negative_ttl
        self.max_entries = math.inf if max_entries is None else max_entries
        self.clock = clock
        self.spawn = spawn
        self.entries: PlainDict[K, Entry] = PlainDict("cache.entries")
        self.flights: PlainDict[K, Flight[K]] = PlainDict("cache.flights")
        # What was changed before it listened counts as received, or D would not bound the first reads.
        self.floor = Plain(after.version, "cache.floor")

    def load(self, key: K) -> tuple[V | None, bool]:
        """`(value, True)` or `(None, False)`, within the bound on staleness. Raises what the source raised."""
        called = now = self.clock()
        while True:
            match self._look(key, now):
                case Entry() as entry:
                    return entry.answer
                case Due(entry, flight):
                    return self._refreshed(entry, flight).answer
                case Flight() as flight:
                    landed = self._landed(flight)
                    # What a flight that began before this call brought may be too old by now: once, not twice.
                    if landed is not None and landed.began >= called:
                        return landed.entry.answer
            now = self.clock()

    def get_if_present(self, key: K) -> tuple[V | None, bool] | None:
        """As `load`, but None in place of loading; nor is anything refreshed."""
        now = self.clock()
        with self.mu:
            entry = self._fresh_locked(key, now)
        return None if entry is None else entry.answer

    def receive(self, change: Change[K, V]) -> None:
        """Let a change take effect that came by another road than the log: late, twice or out of order."""
        with self.mu:
            self._receive_locked(change)

    def len(self) -> int:
        """The number of entries, those of absent keys and expired ones included."""
        with self.mu:
            return len(self.entries)

    def __len__(self) -> int:
        return self.len()

    def check_invariants(self) -> None:
        """Raise AssertionError unless `mu` is free, nothing is in flight, and L4 holds. Only for a cache at rest."""
        if self.mu.locked():
            raise AssertionError("cache.mu is held, so the cache is not at rest")
        if flights := self.flights.peek():
            raise AssertionError(f"loads of {sorted(map(repr, flights))} never landed")
        self._check_size()

    def step_invariants(self) -> Callable[[], None]:
        """L1 to L4, to be called between any two accesses."""
        return _StepInvariants(self)

    def _look(self, key: K, now: float) -> Entry | Due[K] | Flight[K]:
        """An entry to answer, one for which the caller must have a flight made too, or the flight to wait for."""
        with self.mu:
            entry = self._fresh_locked(key, now)
            if entry is not None and now - entry.taken_at < self.refresh_after:
                return entry
            flight = self.flights.get(key)
            if flight is not None:
                return flight if entry is None else entry
            flight = self.flights[key] = Flight(key, self.floor.read())
            return flight if entry is None else Due(entry, flight)

    def _landed(self, flight: Flight[K]) -> Landed | None:
        """What the flight brought; None if it was killed. Raises what the source raised."""
        self._join(flight)
        outcome = flight.outcome.read()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _refreshed(self, due: Entry, flight: Flight[K]) -> Entry:
        """What is to be answered when `spawn` has returned: what it loaded if it did so at once, else the old."""
        try:
            self.spawn(partial(self._join, flight))
        except Exception:  # noqa: BLE001 - an executor that is full or shut down, whatever it raises
            self._join(flight)
        with self.mu:
            outcome = flight.outcome.read()
        return outcome.entry if isinstance(outcome, Landed) else due

    def _join(self, flight: Flight[K]) -> None:
        """Make the flight, or wait for whoever makes it."""
        flight.once.do(partial(self._fly, flight))

    def _fly(self, flight: Flight[K]) -> None:
        """Load the key. However that ends, the flight is over: the next reader may begin another."""
        began = -math.inf
        brought: Reading | Exception | None = None
        try:
            began = self.clock()
            brought = self._fetch(flight)
        except Exception as error:  # noqa: BLE001 - whatever the source raises is for those who wait
            brought = error
        finally:
            with self.mu:
                self._land_locked(flight, began, brought)

    def _land_locked(self, flight: Flight[K], began: float, brought: Reading | Exception | None) -> None:
        # First: below, a key may fail to compare.
        self.flights.pop(flight.key)
        if isinstance(brought, Reading):
            kept = self._learn_locked(flight.key, Entry(brought.value, brought.as_of, began))
            flight.outcome.write(Landed(began, kept))
        else:
            flight.outcome.write(brought)
        self._drop_locked()

    def _fetch(self, flight: Flight[K]) -> Reading:
        """From the replica, unless that is older than what this cache may have answered before."""
        try:
            reading = self.replica.read(flight.key)
        except LagError:
            return self.primary.read(flight.key)
        return reading if reading.as_of >= flight.floor else self.primary.read(flight.key)

    def _receive_locked(self, change: Change[K, V]) -> None:
        if self.entries.get(change.key) is not None or change.version >= self._floor_of_locked(change.key):
            self._learn_locked(change.key, Entry(change.value, change.version, change.at))
        self._drop_locked()

    def _floor_of_locked(self, key: K) -> int:
        """The position behind which an entry of the key may have been answered before and dropped since."""
        flight = self.flights.get(key)
        return self.floor.read() if flight is None else flight.floor

    def _learn_locked(self, key: K, entry: Entry) -> Entry:
        """Take the entry into the table unless what is there ranks higher; what is there then. Needs `mu`."""
        known = self.entries.get(key)
        if known is not None and known.rank > entry.rank:
            return known
        self.entries.pop(key)
        self.entries[key] = entry
        return entry

    def _drop_locked(self) -> None:
        """Drop entries from the one that was learned first on: expired ones, and as many as are too many.

        An expired one behind one that is not has to wait, but no longer than `ttl` after it was learned.
        """
        now, excess = self.clock(), len(self.entries) - self.max_entries
        dropped: list[tuple[K, Entry]] = []
        for key, entry in self.entries.items():
            if len(dropped) >= excess and not self._expired(entry, now):
                break
            if self.flights.get(key) is None:
                dropped.append((key, entry))
        for key, entry in dropped:
            self.entries.pop(key)
            self.floor.write(max(self.floor.read(), entry.as_of))

    def _fresh_locked(self, key: K, now: float) -> Entry | None:
        entry = self.entries.get(key)
        return None if entry is None or self._expired(entry, now) else entry

    def _expired(self, entry: Entry, now: float) -> bool:
        return now - entry.taken_at >= (self.negative_ttl if entry.value is ABSENT else self.ttl)

    def _check_size(self) -> None:
        entries, flights = self.entries.peek(), self.flights.peek()
        if len(entries) > self.max_entries and not entries.keys() <= flights.keys():
            raise AssertionError(
                f"L4: {len(entries)} entries, at most {self.max_entries}, with {len(flights)} in flight"
            )


class _StepInvariants:
    """Raises AssertionError, naming what is broken, when it is called after the access that broke it."""

    def __init__(self, cache: LocalCache[Any, Any]) -> None:
        self._cache = cache
        self._last: dict[Any, Entry] = dict(cache.entries.peek())
        self._floor = cache.floor.peek()
        self._held: dict[tuple[Any, int], Any] = {}

    def __call__(self) -> None:
        cache = self._cache
        if cache.mu.locked():
            return
        entries, floor = dict(cache.entries.peek()), cache.floor.peek()
        for key, entry in entries.items():
            if self._held.setdefault((key, entry.as_of), entry.value) != entry.value:
                raise AssertionError(f"L1: two values of {key!r} at position {entry.as_of}")
        if floor < self._floor:
            raise AssertionError(f"L2: floor went back from {self._floor} to {floor}")
        for key, known in self._last.items():
            now_known = floor if key not in entries else entries[key].as_of
            if now_known < known.as_of:
                raise AssertionError(f"L2: {key!r} went back from position {known.as_of} to {now_known}")
        for key, flight in cache.flights.peek().items():
            if flight.outcome.peek() is not None:
                raise AssertionError(f"L3: the flight of {key!r} has landed, but is in flights")
        cache._check_size()
        self._last, self._floor = entries, floor
