"""What the steps of the sharded map are made of: what an operation does to a key, and the moment when it does.

The idea: what the abstract map becomes is computed from what it was, in `specified`, and never from what a thread
found; so a thread that found something stale makes the two maps differ, which the invariant does not allow.
"""

from __future__ import annotations

from mapproof.proofs.systems.shard_rehash.state import PC, Key, Op, Shard, Thread, Value, absent, m
from mapproof.proofs.terms import Bool, If, all_of, any_of, claim, everywhere, one_of, when

ONCE = "an operation takes effect exactly once"


def exchanges(t: Thread, before: Value) -> Bool:
    """Whether the operation changes a key that holds `before`."""
    return any_of(
        t.op == Op.SWAP,
        all_of(t.op == Op.LOAD_OR_STORE, before == absent),
        all_of(t.op == Op.LOAD_AND_DELETE, before != absent),
        all_of(one_of(t.op, Op.COMPARE_AND_SWAP, Op.COMPARE_AND_DELETE), before == t.old),
    )


def new_value(t: Thread) -> Value:
    """What a key holds once the operation has changed it."""
    return If(one_of(t.op, Op.LOAD_AND_DELETE, Op.COMPARE_AND_DELETE), absent, t.value)


def specified(t: Thread, before: Value) -> Value:
    """What a key that holds `before` holds after the operation."""
    return If(exchanges(t, before), new_value(t), before)


def take_effect(t: Thread) -> None:
    """The linearization point of a writer of one key."""
    claim(ONCE, ~t.done)
    new = specified(t, t.key.contents)
    everywhere(Thread.seen, lambda u, x: any_of(u.seen[x], all_of(u.key == t.key, x == new)))
    t.done = True
    t.taken = t.key.contents
    t.key.contents = new


def is_new(c: Shard, s: Shard) -> Bool:
    """c is one of `s.split.new`, if s has a split."""
    return c.made_by == s.split


def child_for(c: Shard, s: Shard, k: Key) -> Bool:
    """c is `s.split.child_of(hash of k)`, if s has a split."""
    return all_of(is_new(c, s), c.second == s.split.upper[k])


def are_new(zero: Shard, one: Shard, s: Shard) -> Bool:
    """(zero, one) is `s.split.new`, if s has a split."""
    return all_of(is_new(zero, s), ~zero.second, is_new(one, s), one.second)


def load_route(t: Thread, at: PC, then: PC) -> None:
    """self.route.load().owner_of(hash_value)"""
    when(t.pc == at)
    t.shard = m.route[t.key]
    t.pc = then


def lock(t: Thread, at: PC, then: PC) -> None:
    """shard.mu locks"""
    when(t.pc == at, ~t.shard.mu)
    t.shard.mu = True
    t.pc = then


def unlock(t: Thread, at: PC, then: PC) -> None:
    """shard.mu unlocks"""
    when(t.pc == at)
    t.shard.mu = False
    t.pc = then
