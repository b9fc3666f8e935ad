"""What is true of the sharded map in every reachable state: the inductive invariant, one statement each.

The idea: each statement is a sentence in words and the same sentence as a formula. Together they are inductive:
true at first, and no step leads from a state where all hold to one where some does not. The names I1 to I5 are
those of `impl/sharded_map_invariants.py`, which checks the same sentences on runs of the code.
"""

from __future__ import annotations

from mapproof.proofs.systems.shard_rehash.parts import exchanges, new_value
from mapproof.proofs.systems.shard_rehash.state import (
    PC,
    Bin,
    Key,
    Migrating,
    Op,
    Shard,
    Thread,
    absent,
    m,
    no_split,
)
from mapproof.proofs.systems.shard_rehash.steps import changes_one_key, switched_away
from mapproof.proofs.terms import Bool, If, all_of, any_of, forall, implies, one_of
from mapproof.proofs.transition_system import invariant, invariants_in

WRITING = (PC.FIND, PC.WRITE_OLD, PC.WRITE_NEW)
EMPTYING = (PC.CLEAR_OLD, PC.CLEAR_ZERO, PC.CLEAR_ONE)
COPYING = (PC.CURSOR, PC.COPY_ZERO, PC.COPY_ONE)
UNDER_MU = (
    *(PC.CHECK, *WRITING, PC.UNLOCK, PC.UNLOCK_RETRY),
    *(PC.CLEAR_CHECK, *EMPTYING, PC.CLEAR_UNLOCK),
    *(PC.SPLIT, *COPYING, PC.SWITCH_MIGRATING, PC.DROP, PC.MIGRATE_UNLOCK),
)
UNDER_MIGRATOR = (
    *(PC.MIGRATOR, PC.MIGRATE_LOCK, PC.SPLIT, *COPYING),
    *(PC.SWITCH_MIGRATING, PC.DROP, PC.MIGRATE_UNLOCK, PC.MIGRATED),
)
CLEARING = (PC.CLEAR_NEXT, PC.CLEAR_LOCK, PC.CLEAR_CHECK, *EMPTYING, PC.CLEAR_UNLOCK)

# ------------------------------------------------------------------------------------------------ vocabulary


def at(t: Thread, *places: PC) -> Bool:
    """Thread t is at one of these places."""
    return one_of(t.pc, *places)


def holds_mu(t: Thread, s: Shard) -> Bool:
    """t is between locking and unlocking the mu of s."""
    return all_of(at(t, *UNDER_MU), t.shard == s)


def is_split(s: Shard) -> Bool:
    """s.split is not None"""
    return s.split != no_split


def migrating_1() -> Bool:
    """The front shard is split, and still the owner."""
    return all_of(m.busy, is_split(m.front), m.front.routed)


def new_for(k: Key) -> Shard:
    """front.split.child_of(hash of k)"""
    return If(m.front.split.upper[k], m.one, m.zero)


def visits(t: Thread, s: Shard) -> Bool:
    """The clear t is at the shard s, and has not yet gone past it."""
    return all_of(~at(t, PC.CLEAR_NEXT, PC.CLEAR_UNLOCK), t.shard == s)


# ------------------------------------------------------------------------------------------------ the locks


@invariant("one thread at a time has the mu of a shard")
def mu_owner() -> Bool:
    """Who is between locking and unlocking the mu of a shard has it, and no other thread is there too."""
    return all_of(
        forall(Thread, lambda t: implies(at(t, *UNDER_MU), t.shard.mu)),
        forall(
            Thread,
            Thread,
            lambda t, u: implies(all_of(at(t, *UNDER_MU), holds_mu(u, t.shard)), t == u),
        ),
    )


@invariant("one thread at a time has migrator")
def migrator_owner() -> Bool:
    """Who is between locking and unlocking migrator has it, and no other thread is there too."""
    return all_of(
        forall(Thread, lambda t: implies(at(t, *UNDER_MIGRATOR), m.migrator)),
        forall(
            Thread,
            Thread,
            lambda t, u: implies(all_of(at(t, *UNDER_MIGRATOR), at(u, *UNDER_MIGRATOR)), t == u),
        ),
    )


# ------------------------------------------------------------------------------------------------ shards and splits


@invariant("what is in use was made")
def made() -> Bool:
    """A split that a shard names was made, and a shard that is not yet made is unlocked, unsplit and unknown."""
    return all_of(
        no_split.made,
        forall(
            Shard,
            lambda s: all_of(
                s.split.made,
                s.made_by.made,
                implies(~s.made, ~s.published, s.made_by == no_split),
                implies(is_split(s), s.published),
                implies(s.mu, s.published),
                implies(s.waiting, s.published),
            ),
        ),
    )


@invariant("a split has two new shards")
def new_shards() -> Bool:
    """zero and one are all that the split of the front shard has made. No shard has the split that made it; and one
    that was made by a split which is migrating 0 has come to the route."""
    front = m.front
    return all_of(
        forall(
            Shard,
            lambda s: all_of(
                implies(is_split(s), s.made_by != s.split),
                implies(
                    all_of(s.made_by != no_split, s.made_by.migrating == Migrating.NEW_ONLY), s.published
                ),
                implies(
                    all_of(m.busy, is_split(front), s.made_by == front.split),
                    s == If(s.second, m.one, m.zero),
                ),
            ),
        ),
        implies(
            all_of(m.busy, is_split(front)),
            *(m.zero.made_by == front.split, ~m.zero.second),
            *(m.one.made_by == front.split, m.one.second),
        ),
    )


@invariant("the new shards share out the keys of the old one")
def children_cover() -> Bool:
    """A split divides the keys of its old shard; a new shard is for those of them whose next bit says so."""
    return forall(
        Shard,
        Key,
        lambda s, k: all_of(
            implies(is_split(s), s.split.covers[k] == s.covers[k]),
            implies(
                s.made_by != no_split,
                s.covers[k] == all_of(s.made_by.covers[k], s.made_by.upper[k] == s.second),
            ),
        ),
    )


@invariant("I1: every hash has one owner")
def one_owner() -> Bool:
    """The route leads each key to a shard of its own bits, and to no other; that shard is not migrating 0."""
    return all_of(
        forall(Key, lambda k: all_of(m.route[k].routed, m.route[k].covers[k])),
        forall(Shard, Key, lambda s, k: implies(all_of(s.routed, s.covers[k]), m.route[k] == s)),
        forall(Shard, lambda s: implies(s.routed, s.published, ~switched_away(s))),
    )


@invariant("I2: a key is in no shard but those of its hash")
def own_keys() -> Bool:
    """What a shard holds has the bits of the shard."""
    return forall(Shard, Key, lambda s, k: implies(s.held[k] != absent, s.covers[k]))


@invariant("a shard has left the route exactly when it is migrating 0")
def left_the_route() -> Bool:
    """Between the two stores of a switch alone they differ, and then the migration has the mu of the shard."""
    return all_of(
        forall(
            Shard,
            lambda s: implies(all_of(s.published, ~s.routed, ~switched_away(s)), s.mu),
        ),
        forall(
            Thread,
            lambda t: implies(
                all_of(at(t, *UNDER_MU), ~t.shard.routed, ~switched_away(t.shard)),
                at(t, PC.SWITCH_MIGRATING),
            ),
        ),
    )


@invariant("new shards are out of reach until the switch")
def new_shards_hidden() -> Bool:
    """While the front shard is migrating 1, its new shards have never been on the route."""
    return implies(migrating_1(), ~m.zero.published, ~m.one.published)


# ------------------------------------------------------------------------------------------------ the migration


@invariant("I4: only the first of the waiting shards is migrating")
def one_migration() -> Bool:
    """A shard that is migrating 1 is the front one; the others that wait are owners, none of them split."""
    return all_of(
        forall(
            Shard,
            lambda s: all_of(
                implies(all_of(is_split(s), ~switched_away(s)), m.busy, m.front == s),
                implies(s.waiting, any_of(s.routed, all_of(m.busy, m.front == s))),
            ),
        ),
        implies(m.busy, m.front.published),
        implies(all_of(m.busy, ~m.migrator), m.front.routed, is_split(m.front)),
    )


@invariant("who has migrator works at the front shard")
def migrator_locals() -> Bool:
    """Its shard is the front one, which is the owner until the switch, and split from the first batch on."""

    def of(t: Thread) -> Bool:
        after_batch = at(t, PC.MIGRATE_UNLOCK, PC.MIGRATED)
        switched = any_of(at(t, PC.SWITCH_MIGRATING), all_of(after_batch, t.over))
        return all_of(
            implies(all_of(at(t, PC.MIGRATOR), m.busy), m.front.routed, is_split(m.front)),
            implies(all_of(at(t, *UNDER_MIGRATOR), ~at(t, PC.MIGRATOR)), m.busy, t.shard == m.front),
            implies(at(t, PC.MIGRATE_LOCK, PC.SPLIT, *COPYING), t.shard.routed),
            implies(at(t, *COPYING), is_split(t.shard)),
            implies(switched, ~t.shard.routed, is_split(t.shard), t.over),
            implies(at(t, PC.SWITCH_MIGRATING), m.zero.published, m.one.published),
            implies(all_of(after_batch, t.over), switched_away(t.shard)),
            implies(all_of(after_batch, ~t.over), t.shard.routed, is_split(t.shard)),
            ~at(t, PC.DROP),
        )

    return forall(Thread, of)


@invariant("the cursor counts for the front shard")
def cursor() -> Bool:
    """No bin counts as copied before there is a split to copy to, nor as compared before it is copied."""
    return forall(
        Bin,
        lambda b: all_of(implies(b.compared, b.copied), implies(b.copied, m.busy, is_split(m.front))),
    )


@invariant("I4: a bin that was copied does not come apart")
def copies() -> Bool:
    """Until the switch a new shard holds for a key what the old one does, or nothing; once copied, not nothing.
    A key that is being written is left out."""
    front = m.front

    def agree(k: Key) -> Bool:
        copy = new_for(k).held[k]
        return any_of(copy == front.held[k], all_of(copy == absent, ~k.bin.copied))

    return implies(migrating_1(), forall(Key, lambda k: implies(all_of(front.covers[k], ~k.torn), agree(k))))


@invariant("what is written once is written twice before the lock is given back")
def torn_keys() -> Bool:
    """Between its two stores a key is the lock holder's: the one that it writes, or one that it is clearing."""

    def holder(t: Thread, k: Key) -> Bool:
        emptied, upper = t.emptied[k.bin], t.shard.split.upper[k]
        clearing = any_of(
            all_of(at(t, PC.CLEAR_OLD), emptied),
            all_of(at(t, PC.CLEAR_ZERO), any_of(upper, ~emptied)),
            all_of(at(t, PC.CLEAR_ONE), upper, ~emptied),
        )
        return any_of(all_of(at(t, PC.WRITE_NEW), t.key == k), clearing)

    return all_of(
        forall(Key, lambda k: implies(k.torn, m.route[k].mu, is_split(m.route[k]))),
        forall(
            Thread,
            Key,
            lambda t, k: implies(all_of(k.torn, holds_mu(t, m.route[k])), holder(t, k)),
        ),
    )


@invariant("the chain that is being copied is the newest")
def copied_chain() -> Bool:
    """Nobody writes between the load and the stores of a copy; after the first store new[0] has its part."""
    return all_of(
        forall(
            Thread,
            Key,
            lambda t, k: implies(
                all_of(at(t, PC.COPY_ZERO, PC.COPY_ONE), k.bin == t.bin), t.chain[k] == t.shard.held[k]
            ),
        ),
        forall(
            Thread,
            Key,
            lambda t, k: implies(
                all_of(at(t, PC.COPY_ONE), k.bin == t.bin, t.shard.covers[k], ~t.shard.split.upper[k]),
                m.zero.held[k] == t.shard.held[k],
            ),
        ),
    )


@invariant("the map holds what its operations put there")
def contents() -> Bool:
    """The abstract value of a key is what its owner holds."""
    return forall(Key, lambda k: m.route[k].held[k] == k.contents)


# ------------------------------------------------------------------------------------------------ the threads


@invariant("a running operation has seen the present value of its key")
def seen_current() -> Bool:
    """What a key holds now is among the values that it held since the call, for every call under way."""
    return forall(Thread, lambda t: implies(t.pc != PC.IDLE, t.seen[t.key.contents]))


@invariant("each place belongs to its operation")
def operation_at_its_place() -> Bool:
    """A thread is only at places of its own operation; a writer has taken effect exactly when it is past it."""
    before = (PC.ROUTE, PC.LOCK, PC.CHECK, PC.UNLOCK_RETRY, PC.FIND, PC.WRITE_OLD)
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, PC.LOAD_ROUTE, PC.LOAD_BIN), t.op == Op.LOAD),
            implies(at(t, PC.RANGE_ROUTE, PC.RANGE_BINS), t.op == Op.RANGE),
            implies(at(t, PC.RANGE_ROUTE), t.found == absent),
            implies(at(t, PC.CLEAR_ROUTE, *CLEARING), t.op == Op.CLEAR),
            implies(at(t, PC.MIGRATOR_LOCK, *UNDER_MIGRATOR), t.op == Op.MAINTAIN),
            implies(at(t, *before), changes_one_key(t.op), ~t.done, ~t.wrote),
            implies(at(t, PC.WRITE_NEW, PC.UNLOCK), changes_one_key(t.op)),
            implies(
                any_of(at(t, PC.WRITE_NEW, PC.UNLOCK), all_of(at(t, PC.RETURN), changes_one_key(t.op))),
                t.done,
            ),
            implies(at(t, PC.WRITE_NEW), t.wrote),
            implies(t.pc != PC.IDLE, t.value != absent, t.old != absent),
        ),
    )


@invariant("I5: a shard that has left the route holds what its keys held then")
def readers() -> Bool:
    """Whatever a reader will find where its route led it, the key had that value during the call."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, PC.LOAD_BIN, PC.RANGE_BINS), t.shard.published, t.shard.covers[t.key]),
            implies(
                any_of(at(t, PC.LOAD_BIN), all_of(at(t, PC.RANGE_BINS), t.pending[t.shard])),
                t.seen[t.shard.held[t.key]],
            ),
            implies(all_of(at(t, PC.RANGE_BINS), ~t.pending[t.shard]), t.seen[t.found]),
            implies(all_of(at(t, PC.RANGE_BINS), t.pending[t.shard]), t.found == absent),
            implies(all_of(at(t, PC.RETURN), one_of(t.op, Op.LOAD, Op.RANGE)), t.seen[t.found]),
        ),
    )


@invariant("a route never leads to a key twice")
def pending_shards() -> Bool:
    """Of the shards that range has yet to go to one is for its key; and of those of clear, one for each key."""
    return all_of(
        forall(
            Thread,
            Shard,
            lambda t, s: implies(all_of(at(t, PC.RANGE_BINS, *CLEARING), t.pending[s]), s.published),
        ),
        forall(
            Thread,
            Shard,
            lambda t, s: implies(all_of(at(t, PC.RANGE_BINS), t.pending[s], s.covers[t.key]), s == t.shard),
        ),
        forall(
            Thread,
            Shard,
            Key,
            lambda t, s, k: implies(
                all_of(at(t, *CLEARING), any_of(t.pending[s], visits(t, s)), s.covers[k]), t.heir[k] == s
            ),
        ),
    )


@invariant("a clear finds each key that it has yet to delete")
def clear_locals() -> Bool:
    """A key is not yet cleared exactly if its shard is among those to go to, or in a bin not yet emptied."""

    def cleared(t: Thread, k: Key) -> Bool:
        here = If(at(t, PC.CLEAR_OLD), t.emptied[k.bin], at(t, PC.CLEAR_ZERO, PC.CLEAR_ONE))
        return If(visits(t, t.heir[k]), here, ~t.pending[t.heir[k]])

    def gone(t: Thread, k: Key) -> Bool:
        return any_of(at(t, PC.CLEAR_ZERO, PC.CLEAR_ONE), all_of(at(t, PC.CLEAR_OLD), t.emptied[k.bin]))

    return all_of(
        forall(
            Thread,
            Key,
            lambda t, k: all_of(
                implies(at(t, PC.CLEAR_ROUTE), ~t.cleared[k]),
                implies(
                    at(t, *CLEARING),
                    t.heir[k].published,
                    t.heir[k].covers[k],
                    t.cleared[k] == cleared(t, k),
                ),
                implies(gone(t, k), t.shard.held[k] == absent),
                implies(all_of(at(t, PC.RETURN), t.op == Op.CLEAR), t.cleared[k]),
            ),
        ),
        forall(
            Thread,
            lambda t: all_of(
                implies(
                    all_of(at(t, *CLEARING), ~at(t, PC.CLEAR_NEXT)), t.shard.published, ~t.pending[t.shard]
                ),
                implies(at(t, *EMPTYING), t.shard.routed),
                implies(at(t, PC.CLEAR_ZERO, PC.CLEAR_ONE), is_split(t.shard)),
            ),
        ),
    )


@invariant("a writer writes to the owner of its key")
def writer_locals() -> Bool:
    """Under the lock its shard is the owner, and holds what it found until it writes, and then what it wrote."""

    def of(t: Thread) -> Bool:
        took_effect = any_of(at(t, PC.UNLOCK), all_of(at(t, PC.RETURN), changes_one_key(t.op)))
        return all_of(
            implies(at(t, PC.LOCK, PC.CHECK), t.shard.published, t.shard.covers[t.key]),
            implies(at(t, *WRITING), t.shard == m.route[t.key]),
            implies(at(t, PC.WRITE_OLD), t.found == t.shard.held[t.key], exchanges(t, t.found)),
            implies(at(t, PC.WRITE_NEW), t.shard.held[t.key] == new_value(t), exchanges(t, t.found)),
            implies(
                all_of(at(t, PC.WRITE_NEW), is_split(t.shard)),
                one_of(new_for(t.key).held[t.key], t.found, absent),
            ),
            implies(any_of(at(t, PC.WRITE_NEW), took_effect), t.found == t.taken),
            implies(took_effect, t.wrote == exchanges(t, t.taken)),
        )

    return forall(Thread, of)


INVARIANT = invariants_in(globals())
