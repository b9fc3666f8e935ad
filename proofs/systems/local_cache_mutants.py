"""The cache with one line wrong, again and again. Some answer what is too old, others something older than before.

The idea: each mutant is the step in which its line stands, written again. The bounds are the smallest scenes in which
the fault was seen: how often the clock ticks, the key is written, a flight is made.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant, Statement
from mapproof.proofs.systems.local_cache import (
    PC,
    Change,
    Stage,
    Thread,
    cache,
    clock,
    flight,
    floor_of_key,
    hand_over,
    known_ranks_higher,
    later,
    learn,
    replica,
    replica_may_be_read,
)
from mapproof.proofs.systems.local_cache_shown import (
    LOCAL_CACHE,
    entry_is_right,
    flight_is_right,
    heard_is_behind,
    never_back,
    thread_can_answer,
)
from mapproof.proofs.terms import If, all_of, any_of, when
from mapproof.proofs.transition_system import Action, action


@action(name="look_hit")
def _hit_at_ttl(t: Thread) -> None:
    """an entry that is exactly ttl old is answered: <= in place of <"""
    when(t.pc == PC.LOOK, cache.cached, t.now - cache.taken_at <= cache.ttl)
    t.value = cache.entry
    t.as_of = cache.as_of
    t.pc = PC.ANSWER


@action(name="land")
def _age_from_the_end() -> None:
    """Entry(brought.value, brought.as_of, self.clock()): its age counts from the end of the load"""
    when(flight.stage == Stage.BROUGHT)
    keeps = known_ranks_higher(flight.as_of, clock.now)
    hand_over(keeps)
    learn(keeps, flight.row, flight.as_of, clock.now)
    cache.cached = True
    flight.stage = Stage.NONE


@action(name="land")
def _load_replaces() -> None:
    """self.entries[key] = entry: what the load brought is taken, whatever is there"""
    when(flight.stage == Stage.BROUGHT)
    hand_over(any_of())
    learn(any_of(), flight.row, flight.as_of, flight.began)
    cache.cached = True
    flight.stage = Stage.NONE


@action(name="fetch_replica")
def _floor_ignored() -> None:
    """return self.replica.read(key), however far behind floor it is"""
    when(flight.stage == Stage.BEGUN, replica_may_be_read())
    flight.row = replica.row
    flight.as_of = replica.applied
    flight.stage = Stage.BROUGHT


@action(name="fetch_replica")
def _lag_ignored() -> None:
    """the replica is read however many seconds it is behind"""
    when(flight.stage == Stage.BEGUN)
    flight.row = replica.row
    flight.as_of = replica.applied
    flight.stage = If(replica.applied >= flight.floor, Stage.BROUGHT, Stage.TO_PRIMARY)


@action(name="drop")
def _floor_stays() -> None:
    """self.entries.pop(key), and floor is not raised"""
    when(cache.cached, flight.stage == Stage.NONE)
    cache.cached = False


@action(name="drop")
def _floor_is_the_last() -> None:
    """self.floor.write(entry.as_of), without max"""
    when(cache.cached, flight.stage == Stage.NONE)
    cache.floor = cache.as_of
    cache.cached = False


@action(name="drop")
def _dropped_in_flight() -> None:
    """an entry is dropped though its key is in flight"""
    when(cache.cached)
    cache.floor = If(cache.floor < cache.as_of, cache.as_of, cache.floor)
    cache.cached = False


@action(name="receive")
def _late_change(c: Change) -> None:
    """self._learn_locked(key, Entry(value, version, at)), though the key may have been answered and dropped since"""
    when(c.made)
    learn(known_ranks_higher(c.version, c.at), c, c.version, c.at)
    cache.cached = True
    cache.heard = later(cache.heard, c)


@action(name="receive")
def _received_is_new(c: Change) -> None:
    """Entry(change.value, change.version, self.clock()): a change that comes late counts as new"""
    when(c.made)
    ignored = all_of(~cache.cached, c.version < floor_of_key())
    cached = any_of(cache.cached, ~ignored)
    learn(any_of(ignored, known_ranks_higher(c.version, clock.now)), c, c.version, clock.now)
    cache.cached = cached
    cache.heard = later(cache.heard, c)


@action(name="receive")
def _change_ignored_in_flight(c: Change) -> None:
    """a change of a key that is in flight, and not cached, is ignored: the load will bring it"""
    when(c.made)
    ignored = all_of(~cache.cached, any_of(flight.stage != Stage.NONE, c.version < cache.floor))
    cached = any_of(cache.cached, ~ignored)
    learn(any_of(ignored, known_ranks_higher(c.version, c.at)), c, c.version, c.at)
    cache.cached = cached
    cache.heard = later(cache.heard, c)


@action(name="landed")
def _any_flight_will_do(t: Thread) -> None:
    """landed.began >= called is not asked"""
    when(t.pc == PC.LANDED)
    t.pc = PC.ANSWER


AT_ONCE = Bound({"Change": 2, "Thread": 1}, {"tick": 0, "other_store": 0})
"""One thread, and a key that is written once; the clock stands still."""
IN_TIME = Bound({"Change": 2, "Thread": 1}, {"tick": 2, "other_store": 0})
"""The same, and ttl passes; the replica may not lag, as max_lag is 0 on plain values."""
ONE_FLIGHT = Bound(
    {"Change": 2, "Thread": 1}, {"tick": 2, "other_store": 0, "drop": 0, "receive": 1, "fly": 1, "call": 2}
)
"""The same, with one flight, and little else that could happen."""


def _mutant(
    name: str,
    replaced: Action,
    *,
    breaks: Statement,
    bound: Bound,
    fault: Fault = Fault.WRONG_ANSWER,
) -> Mutant:
    return Mutant(name, LOCAL_CACHE, (replaced,), breaks, fault, bound)


MUTANTS = (
    _mutant(
        "an entry that is just ttl old is answered",
        _hit_at_ttl,
        breaks=thread_can_answer,
        bound=IN_TIME,
    ),
    _mutant(
        "an age counts from the end of the load",
        _age_from_the_end,
        breaks=entry_is_right,
        bound=ONE_FLIGHT,
    ),
    _mutant(
        "a load replaces what ranks higher",
        _load_replaces,
        breaks=never_back,
        bound=AT_ONCE,
    ),
    _mutant(
        "a replica that is behind floor is believed",
        _floor_ignored,
        breaks=flight_is_right,
        bound=AT_ONCE,
    ),
    _mutant(
        "a replica is read however far behind it is",
        _lag_ignored,
        breaks=flight_is_right,
        bound=ONE_FLIGHT,
    ),
    _mutant(
        "what is dropped does not raise floor",
        _floor_stays,
        breaks=heard_is_behind,
        bound=AT_ONCE,
    ),
    _mutant(
        "floor is what was dropped last",
        _floor_is_the_last,
        breaks=never_back,
        fault=Fault.BROKEN_STATE,  # the wrong answer is one of another key
        bound=AT_ONCE,
    ),
    _mutant(
        "keys in flight are dropped too",
        _dropped_in_flight,
        breaks=heard_is_behind,
        bound=AT_ONCE,
    ),
    _mutant(
        "a late change brings back an older value",
        _late_change,
        breaks=heard_is_behind,
        bound=AT_ONCE,
    ),
    _mutant(
        "a change that comes late counts as new",
        _received_is_new,
        breaks=entry_is_right,
        bound=IN_TIME,
    ),
    _mutant(
        "a change is ignored while its key is in flight",
        _change_ignored_in_flight,
        breaks=heard_is_behind,
        bound=AT_ONCE,
    ),
    _mutant(
        "who waits takes what a flight brings that began before its call",
        _any_flight_will_do,
        breaks=thread_can_answer,
        bound=ONE_FLIGHT,
    ),
)

CHAPTER = Chapter(
    LOCAL_CACHE, MUTANTS, (AT_ONCE, Bound({"Change": 2, "Thread": 1}, {"tick": 1, "other_store": 0}))
)
