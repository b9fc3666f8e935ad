"""What is true of `LocalCache` in every reachable state, and the system put together.

The idea: a reading (a value and the position that it is of) is right if no change of the key lies between the two;
then of two readings the one of the later position has the later value, which is what lets positions be compared in
place of values. `horizon` is the position that the cache will not go behind: it only rises, and every answer that
was given lies before it.
"""

from __future__ import annotations

from mapproof.proofs.systems.local_cache import (
    PC,
    STATE,
    STEPS,
    Change,
    Stage,
    Thread,
    cache,
    clock,
    flight,
    floor_of_key,
    initial,
    primary,
    replica,
)
from mapproof.proofs.terms import Bool, If, Int, after, all_of, forall, implies, one_of
from mapproof.proofs.transition_system import (
    invariant,
    invariants_in,
    step_properties_in,
    step_property,
    system,
)

# ------------------------------------------------------------------------------------------------ vocabulary


def right(value: Change, as_of: Int) -> Bool:
    """The key held this value when the first `as_of` changes had been made, and no more."""
    return all_of(
        value.made,
        value.version <= as_of,
        as_of <= primary.last,
        implies(value.replaced, as_of < value.replaced_by),
    )


def current(value: Change, moment: Int) -> Bool:
    """The value was current at that moment less max_lag, or became so later."""
    return implies(value.replaced, value.replaced_at + replica.max_lag >= moment)


def horizon() -> Int:
    """The position that the cache will not go behind: of its entry, or of what it may have dropped."""
    return If(cache.cached, cache.as_of, floor_of_key())


# ------------------------------------------------------------------------------------------------ the invariant


@invariant("the log is in order")
def log_in_order() -> Bool:
    """Of two changes of the key the earlier was replaced, by the later at the latest; and no later than that was. The
    primary's row is the last."""
    return all_of(
        forall(
            Change,
            Change,
            lambda c, d: implies(
                all_of(c.made, d.made, c.version < d.version),
                c.replaced,
                c.replaced_by <= d.version,
                implies(d.replaced, c.replaced_at <= d.replaced_at),
            ),
        ),
        forall(
            Change,
            Change,
            lambda c, d: implies(all_of(c.made, d.made, c.version == d.version), c == d),
        ),
        forall(
            Change,
            lambda c: all_of(
                implies(c.made, c.version <= primary.last, c.replaced == (c != primary.row)),
                implies(c.replaced, c.made, c.version < c.replaced_by),
            ),
        ),
        primary.row.made,
    )


@invariant("a change says when it was made")
def times() -> Bool:
    """A change can be seen from `at` on or later, and nothing lies in the future."""
    return all_of(
        forall(
            Change,
            lambda c: implies(
                c.made,
                c.at <= clock.now,
                implies(c.replaced, c.at <= c.replaced_at, c.replaced_at <= clock.now),
            ),
        ),
        implies(primary.writing, primary.at <= clock.now),
        implies(~one_of(flight.stage, Stage.NONE, Stage.MADE), flight.began <= clock.now),
        implies(cache.cached, cache.taken_at <= clock.now),
        forall(
            Thread,
            lambda t: all_of(
                implies(t.pc != PC.IDLE, t.called <= t.now, t.now <= clock.now),
                implies(t.pc == PC.LANDED, t.began <= clock.now),
            ),
        ),
        cache.ttl > 0,
        replica.max_lag >= 0,
    )


@invariant("the replica holds what the key held")
def replica_is_right() -> Bool:
    """Its row is that of the changes which it has applied."""
    return right(replica.row, replica.applied)


@invariant("an entry is what the key held at its position, and says how old it is")
def entry_is_right() -> Bool:
    """It was current max_lag before it was taken, or later."""
    return implies(cache.cached, right(cache.entry, cache.as_of), current(cache.entry, cache.taken_at))


@invariant("what a flight brings is what the key held, and not older than what may have been answered")
def flight_is_right() -> Bool:
    """It was current max_lag before the flight began, or later; its position is not behind the flight's floor."""
    return all_of(
        implies(
            flight.stage == Stage.BROUGHT,
            right(flight.row, flight.as_of),
            current(flight.row, flight.began),
            flight.as_of >= flight.floor,
        ),
        implies(flight.stage != Stage.NONE, flight.floor <= cache.floor),
        cache.floor <= primary.last,
    )


@invariant("what was heard lies before the horizon")
def heard_is_behind() -> Bool:
    """No answer that was given, no change that was received, and no answer that is about to be given is of a
    later position than the one that the cache will not go behind."""
    return all_of(
        cache.heard.made,
        cache.heard.version <= horizon(),
        forall(
            Thread,
            lambda t: all_of(
                implies(t.pc != PC.IDLE, t.least.made, t.least.version <= horizon()),
                implies(one_of(t.pc, PC.REFRESH, PC.LANDED, PC.ANSWER), t.as_of <= horizon()),
            ),
        ),
    )


@invariant("what a thread holds can be answered")
def thread_can_answer() -> Bool:
    """It is what the key held, not older than what was heard before the call, and current late enough."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(
                one_of(t.pc, PC.REFRESH, PC.LANDED, PC.ANSWER),
                right(t.value, t.as_of),
                t.least.version <= t.as_of,
            ),
            implies(t.pc == PC.LANDED, current(t.value, t.began)),
            implies(
                one_of(t.pc, PC.REFRESH, PC.ANSWER),
                implies(t.value.replaced, t.called < t.value.replaced_at + cache.ttl + replica.max_lag),
            ),
        ),
    )


@step_property("the cache never goes back")
def never_back() -> Bool:
    """No step lowers the position that the cache will not go behind, nor floor."""
    return all_of(after(horizon()) >= horizon(), after(cache.floor) >= cache.floor)


LOCAL_CACHE = system(
    "LocalCache",
    scope="one key among any others, all threads, times, ttl and max_lag; one clock; sequentially consistent",
    state=STATE,
    initial=initial,
    actions=STEPS,
    invariants=invariants_in(globals()),
    step_properties=step_properties_in(globals()),
)
