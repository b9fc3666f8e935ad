"""`LocalCache` (impl/local_cache.py) before a replica and a primary, as a transition system over one key.

The idea: everything that the cache learns says of which position of the primary's log it is, and of two entries the
one of the later position stays; what was dropped counts by `floor`. A change of the key knows, in ghost fields,
when it was replaced and by which position, so "how stale is this answer" is one subtraction.

One key is enough: keys meet only in the numbering of the log and in `floor`, and there the other keys may do what
they like (`other_store`, `other_dropped`). Where the code asks more than this system does, this system does more:

    a flight may be made at any time an entry is looked at: whether a refresh is due decides only how often
    an entry may be dropped at any time while its key is not in flight, and nothing has to be dropped
    the replica may refuse to be read at any time; it is read only if the row is the key's newest, or was replaced at
    most `max_lag` ago (the code asks more: that no change at all is missing for longer than that)
    a change may reach the cache by any road, at any time, any number of times, or never
    an absent key's entry may live as long as another's: negative_ttl <= ttl

`ttl` and `max_lag` are any numbers. Times are whole numbers of some unit as small as one likes. A step that takes one of
the locks is atomic, as what is inside needs no other lock; between the steps of a load the clock may go on.
What is claimed stands in `answer`. If each change is received less than D after it was made, its second claim is the
bound D of the code's docstring. Not here: that a waiting reader is answered at last; exceptions of a source,
which answer nothing; read your writes, which is not promised.
"""

from __future__ import annotations

from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Field,
    Globals,
    If,
    Int,
    Sort,
    all_of,
    any_of,
    claim,
    everywhere,
    implies,
    one_of,
    when,
)
from mapproof.proofs.transition_system import action, actions_in
from mapproof.proofs.tree import Constant


class Change(Sort):
    """A write of the key: the value that it has held since `version`, and nothing else matters of the value."""

    made = Field(Bool)
    version = Field(Int)
    at = Field(Int)  # when it was about to be seen
    replaced = Field(Bool, ghost=True)  # the key has been written again
    replaced_by = Field(Int, ghost=True)  # by the change of this version
    replaced_at = Field(Int, ghost=True)  # which could be seen from then on


first = Change.element("c0")  # what the key held before


class PC(Enumeration):
    """What a thread does next."""

    IDLE: PC
    LOOK: PC
    REFRESH: PC  # has an entry to answer, and may wait for what the refresh brings
    WAIT: PC  # for a flight
    LANDED: PC  # the flight that it waited for has landed
    ANSWER: PC


class Thread(Sort):
    """A thread in `load`, and its local variables."""

    pc = Field(PC)
    called = Field(Int)
    now = Field(Int)
    value = Field(Change)
    as_of = Field(Int)
    began = Field(Int)  # of the flight that landed
    least = Field(Change, ghost=True)  # cache.heard when it called


class Stage(Enumeration):
    """Where the flight of the key is."""

    NONE: Stage
    MADE: Stage
    BEGUN: Stage
    TO_PRIMARY: Stage
    BROUGHT: Stage


class Clock(Globals, prefix="clock"):
    """One clock for all."""

    now = Field(Int)


class Primary(Globals, prefix="primary"):
    """The row that counts."""

    row = Field(Change)
    last = Field(Int)  # the position of the last change of any key
    writing = Field(Bool)  # a store has mu, and has looked at the clock
    at = Field(Int)  # what it saw


class Replica(Globals, prefix="replica"):
    """The row as of the first `applied` changes."""

    row = Field(Change)
    applied = Field(Int)
    max_lag = Field(Int)


class Cache(Globals, prefix="cache"):
    """The entry of the key, if there is one, and floor."""

    cached = Field(Bool)
    entry = Field(Change)
    as_of = Field(Int)
    taken_at = Field(Int)
    floor = Field(Int)
    ttl = Field(Int)
    heard = Field(Change, ghost=True)  # the latest change of the key that was answered or received


class Flight(Globals, prefix="flight"):
    """The load of the key that is on its way."""

    stage = Field(Stage)
    floor = Field(Int)
    began = Field(Int)
    row = Field(Change)
    as_of = Field(Int)


clock, primary, replica, cache, flight = Clock(), Primary(), Replica(), Cache(), Flight()
STATE = (Change, Thread, Clock, Primary, Replica, Cache, Flight)

TWO = Int(Constant(Int, 2))
"""The ttl on plain values, where what is left open is 0."""


def later(one: Change, other: Change) -> Change:
    """The one of the later position."""
    return If(one.version < other.version, other, one)


def fresh(t: Thread) -> Bool:
    """There is an entry, and it was younger than ttl when the thread looked at the clock."""
    return all_of(cache.cached, t.now - cache.taken_at < cache.ttl)


def floor_of_key() -> Int:
    """_floor_of_locked: what was dropped behind this position may have been answered."""
    return If(flight.stage == Stage.NONE, cache.floor, flight.floor)


def known_ranks_higher(as_of: Int, taken_at: Int) -> Bool:
    """known is not None and known.rank > entry.rank"""
    same = all_of(cache.as_of == as_of, cache.taken_at > taken_at)
    return all_of(cache.cached, any_of(cache.as_of > as_of, same))


def learn(keeps: Bool, value: Change, as_of: Int, taken_at: Int) -> None:
    """self.entries[key] = Entry(value, as_of, taken_at), unless what is there is kept."""
    cache.entry = If(keeps, cache.entry, value)
    cache.as_of = If(keeps, cache.as_of, as_of)
    cache.taken_at = If(keeps, cache.taken_at, taken_at)


# ------------------------------------------------------------------------------------------------ around the cache


@action
def initial() -> None:
    """The key was written once, the replica is level, the cache is empty and has heard of nothing else."""
    everywhere(Change.made, lambda c: c == first)
    everywhere(Change.replaced, lambda c: False)
    first.version = 0
    first.at = 0
    clock.now = 0
    primary.row = first
    primary.last = 0
    primary.writing = False
    replica.row = first
    replica.applied = 0
    replica.max_lag = If(replica.max_lag >= 0, replica.max_lag, TWO)
    cache.cached = False
    cache.floor = 0
    cache.ttl = If(cache.ttl > 0, cache.ttl, TWO)
    cache.heard = first
    flight.stage = Stage.NONE
    everywhere(Thread.pc, lambda t: PC.IDLE)


@action
def tick() -> None:
    """Time passes"""
    clock.now = clock.now + 1


@action
def store_begins() -> None:
    """Primary.store: self.mu.lock(); at = self.clock()"""
    when(~primary.writing)
    primary.writing = True
    primary.at = clock.now


@action
def store(c: Change) -> None:
    """Primary.store: self._append_locked(key, value, at); self.mu.unlock()"""
    when(primary.writing, ~c.made)
    c.made = True
    c.version = primary.last + 1
    c.at = primary.at
    primary.row.replaced = True
    primary.row.replaced_by = primary.last + 1
    primary.row.replaced_at = clock.now
    primary.row = c
    primary.last = primary.last + 1
    primary.writing = False


@action
def other_store() -> None:
    """Another key is written"""
    when(~primary.writing)
    primary.last = primary.last + 1


@action
def apply(c: Change) -> None:
    """Replica.apply: the next change is of this key"""
    when(replica.row.replaced, replica.row.replaced_by == replica.applied + 1)
    when(c.made, c.version == replica.applied + 1)
    replica.row = c
    replica.applied = replica.applied + 1


@action
def other_apply() -> None:
    """Replica.apply: the next change is of another key"""
    when(replica.applied < primary.last)
    when(~all_of(replica.row.replaced, replica.row.replaced_by == replica.applied + 1))
    replica.applied = replica.applied + 1


# ------------------------------------------------------------------------------------------------ load


@action
def call(t: Thread) -> None:
    """called = now = self.clock()"""
    when(t.pc == PC.IDLE)
    t.called = clock.now
    t.now = clock.now
    t.least = cache.heard
    t.pc = PC.LOOK


@action
def look_hit(t: Thread) -> None:
    """_look: return entry"""
    when(t.pc == PC.LOOK, fresh(t))
    t.value = cache.entry
    t.as_of = cache.as_of
    t.pc = PC.ANSWER


@action
def look_due(t: Thread) -> None:
    """_look: flight = self.flights[key] = Flight(key, self.floor.read()); return Due(entry, flight)"""
    when(t.pc == PC.LOOK, fresh(t), flight.stage == Stage.NONE)
    flight.stage = Stage.MADE
    flight.floor = cache.floor
    t.value = cache.entry
    t.as_of = cache.as_of
    t.pc = PC.REFRESH


@action
def look_miss(t: Thread) -> None:
    """_look: return flight, which is made if there is none"""
    when(t.pc == PC.LOOK, ~fresh(t))
    flight.floor = If(flight.stage == Stage.NONE, cache.floor, flight.floor)
    flight.stage = If(flight.stage == Stage.NONE, Stage.MADE, flight.stage)
    t.pc = PC.WAIT


@action
def refreshed(t: Thread) -> None:
    """_refreshed: return due, as the refresh has not landed, or has failed"""
    when(t.pc == PC.REFRESH)
    t.pc = PC.ANSWER


@action
def landed(t: Thread) -> None:
    """landed.began >= called"""
    when(t.pc == PC.LANDED, t.began >= t.called)
    t.pc = PC.ANSWER


@action
def landed_too_early(t: Thread) -> None:
    """landed.began >= called: no; now = self.clock(), and the thread looks again"""
    when(t.pc == PC.LANDED, t.began < t.called)
    t.now = clock.now
    t.pc = PC.LOOK


@action
def answer(t: Thread) -> None:
    """return entry.answer"""
    when(t.pc == PC.ANSWER)
    claim(
        "an answer was current at some moment of the call, or less than ttl + max_lag before it",
        implies(t.value.replaced, t.called < t.value.replaced_at + cache.ttl + replica.max_lag),
    )
    claim(
        "an answer is not older than any that was given, or any change that was received, before the call",
        t.value.version >= t.least.version,
    )
    claim("an answer is a value that the key has held", t.value.made)
    cache.heard = later(cache.heard, t.value)
    t.pc = PC.IDLE


# ------------------------------------------------------------------------------------------------ a flight


@action
def fly() -> None:
    """_fly: began = self.clock()"""
    when(flight.stage == Stage.MADE)
    flight.began = clock.now
    flight.stage = Stage.BEGUN


def replica_may_be_read() -> Bool:
    """Its row is the newest, or was replaced at most max_lag ago."""
    return implies(replica.row.replaced, clock.now - replica.row.replaced_at <= replica.max_lag)


@action
def fetch_replica() -> None:
    """reading = self.replica.read(key); return reading if reading.as_of >= flight.floor, else to the primary"""
    when(flight.stage == Stage.BEGUN, replica_may_be_read())
    flight.row = replica.row
    flight.as_of = replica.applied
    flight.stage = If(replica.applied >= flight.floor, Stage.BROUGHT, Stage.TO_PRIMARY)


@action
def fetch_refused() -> None:
    """self.replica.read(key) raises LagError"""
    when(flight.stage == Stage.BEGUN)
    flight.stage = Stage.TO_PRIMARY


@action
def fetch_primary() -> None:
    """self.primary.read(key)"""
    when(flight.stage == Stage.TO_PRIMARY, ~primary.writing)
    flight.row = primary.row
    flight.as_of = primary.last
    flight.stage = Stage.BROUGHT


def hand_over(keeps: Bool) -> None:
    """flight.outcome.write(Landed(began, kept)): all who wait for this flight, or refreshed by it, may have it."""
    value, as_of = If(keeps, cache.entry, flight.row), If(keeps, cache.as_of, flight.as_of)
    everywhere(Thread.value, lambda t: If(one_of(t.pc, PC.WAIT, PC.REFRESH), value, t.value))
    everywhere(Thread.as_of, lambda t: If(one_of(t.pc, PC.WAIT, PC.REFRESH), as_of, t.as_of))
    everywhere(Thread.began, lambda t: If(t.pc == PC.WAIT, flight.began, t.began))
    everywhere(
        Thread.pc,
        lambda t: If(t.pc == PC.WAIT, PC.LANDED, If(t.pc == PC.REFRESH, PC.ANSWER, t.pc)),
    )


@action
def land() -> None:
    """_land_locked: self.flights.pop(key); kept = self._learn_locked(key, Entry(value, as_of, began))"""
    when(flight.stage == Stage.BROUGHT)
    keeps = known_ranks_higher(flight.as_of, flight.began)
    hand_over(keeps)
    learn(keeps, flight.row, flight.as_of, flight.began)
    cache.cached = True
    flight.stage = Stage.NONE


@action
def flight_fails() -> None:
    """_land_locked: self.flights.pop(key); nothing was brought, and who waits looks again"""
    when(flight.stage != Stage.NONE)
    flight.stage = Stage.NONE
    everywhere(Thread.now, lambda t: If(t.pc == PC.WAIT, clock.now, t.now))
    everywhere(Thread.pc, lambda t: If(t.pc == PC.WAIT, PC.LOOK, t.pc))


# ------------------------------------------------------------------------------------------------ changes, drops


@action
def receive(c: Change) -> None:
    """_receive_locked: self._learn_locked(key, Entry(value, version, at)), unless it may be older than an answer"""
    when(c.made)
    ignored = all_of(~cache.cached, c.version < floor_of_key())
    cached = any_of(cache.cached, ~ignored)
    learn(any_of(ignored, known_ranks_higher(c.version, c.at)), c, c.version, c.at)
    cache.cached = cached
    cache.heard = later(cache.heard, c)


@action
def drop() -> None:
    """_drop_locked: self.entries.pop(key); self.floor.write(max(self.floor.read(), entry.as_of))"""
    when(cache.cached, flight.stage == Stage.NONE)
    cache.floor = If(cache.floor < cache.as_of, cache.as_of, cache.floor)
    cache.cached = False


@action
def other_dropped() -> None:
    """_drop_locked: the entry of another key goes"""
    when(cache.floor < primary.last)
    cache.floor = cache.floor + 1


STEPS = actions_in(globals())
