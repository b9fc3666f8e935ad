"""The atomic steps of the sharded map's operations. Those of its migrations are in `migration.py`.

The idea: one action for each access to shared memory that another thread could come between, named after the
function that makes it. A writer finds under the lock and then exchanges or not; which operation it is
says no more than when it exchanges and for what (`parts.exchanges`, `parts.new_value`).

Atomics are sequentially consistent, as those of `impl/sync.py` are.
"""

from __future__ import annotations

from mapproof.proofs.systems.shard_rehash.parts import (
    ONCE,
    are_new,
    child_for,
    exchanges,
    is_new,
    load_route,
    lock,
    new_value,
    take_effect,
    unlock,
)
from mapproof.proofs.systems.shard_rehash.state import (
    PC,
    Bin,
    Key,
    Migrating,
    Op,
    Shard,
    ShardedMap,
    Split,
    Thread,
    Value,
    absent,
    first_shard,
    m,
    no_split,
)
from mapproof.proofs.terms import Bool, If, all_of, any_of, claim, everywhere, forall, implies, one_of, when
from mapproof.proofs.transition_system import action, actions_in

# ------------------------------------------------------------------------------------------------ the calls


@action
def initial() -> None:
    """An empty map of any number of shards, none of them split, and no operation under way."""
    everywhere(Shard.covers, lambda s, k: If(m.route[k].routed, m.route[k] == s, s == first_shard))
    everywhere(ShardedMap.route, lambda k: If(m.route[k].routed, m.route[k], first_shard))
    everywhere(Shard.made, lambda s: any_of(s.routed, s == first_shard))
    everywhere(Shard.published, lambda s: any_of(s.routed, s == first_shard))
    everywhere(Shard.routed, lambda s: any_of(s.routed, s == first_shard))
    everywhere(Shard.mu, lambda s: False)
    everywhere(Shard.split, lambda s: no_split)
    everywhere(Shard.made_by, lambda s: no_split)
    everywhere(Shard.held, lambda s, k: absent)
    everywhere(Shard.waiting, lambda s: False)
    everywhere(Split.made, lambda split: split == no_split)
    everywhere(Key.contents, lambda k: absent)
    everywhere(Key.torn, lambda k: False)
    everywhere(Thread.pc, lambda t: PC.IDLE)
    everywhere(Bin.copied, lambda b: False)
    everywhere(Bin.compared, lambda b: False)
    m.migrator = False
    m.busy = False


def first_place(op: Op) -> PC:
    """Where an operation begins."""
    rest = If(op == Op.CLEAR, PC.CLEAR_ROUTE, If(op == Op.MAINTAIN, PC.MIGRATOR_LOCK, PC.ROUTE))
    return If(op == Op.LOAD, PC.LOAD_ROUTE, If(op == Op.RANGE, PC.RANGE_ROUTE, rest))


@action
def invoke(t: Thread, op: Op, k: Key, value: Value, old: Value) -> None:
    """A call of the operation, with as many of the arguments as it has"""
    when(t.pc == PC.IDLE, value != absent, old != absent)
    t.pc = first_place(op)
    t.op = op
    t.key = k
    t.value = value
    t.old = old
    t.found = absent
    t.wrote = False
    t.done = False
    everywhere(Thread.cleared, lambda u, j: all_of(u != t, u.cleared[j]))
    everywhere(Thread.seen, lambda u, x: If(u == t, x == k.contents, u.seen[x]))


def changes_one_key(op: Op) -> Bool:
    """The operation is a writer of one key."""
    return ~one_of(op, Op.LOAD, Op.RANGE, Op.CLEAR, Op.MAINTAIN)


@action
def answer(t: Thread) -> None:
    """return"""
    when(t.pc == PC.RETURN)
    claim(
        "load and range answer with what the key held at some moment of the call",
        implies(one_of(t.op, Op.LOAD, Op.RANGE), t.seen[t.found]),
    )
    claim(ONCE, implies(changes_one_key(t.op), t.done))
    claim(
        "an operation answers with what the key held when it took effect",
        implies(changes_one_key(t.op), t.found == t.taken),
    )
    claim(
        "an operation says that it wrote exactly when it changed the key",
        implies(changes_one_key(t.op), t.wrote == exchanges(t, t.taken)),
    )
    claim(
        "clear deletes every key at one moment of the call",
        implies(t.op == Op.CLEAR, forall(Key, lambda k: t.cleared[k])),
    )
    t.pc = PC.IDLE


# ------------------------------------------------------------------------------------------------ load and range


@action
def load_route_of_key(t: Thread) -> None:
    """load: self.route.load().owner_of(hash_value)"""
    load_route(t, at=PC.LOAD_ROUTE, then=PC.LOAD_BIN)


@action
def load_bin(t: Thread) -> None:
    """load: find(self.bins[...].load(), hash_value, key)"""
    when(t.pc == PC.LOAD_BIN)
    t.found = t.shard.held[t.key]
    t.pc = PC.RETURN


@action
def range_route(t: Thread) -> None:
    """range: self.route.load().shards()"""
    when(t.pc == PC.RANGE_ROUTE)
    t.shard = m.route[t.key]
    everywhere(Thread.pending, lambda u, s: If(u == t, s.routed, u.pending[s]))
    t.pc = PC.RANGE_BINS


@action
def range_bin(t: Thread, s: Shard) -> None:
    """range: for chain in shard.bins: chain.load(), the bin that the key would be in"""
    here = s.held[t.key]
    when(t.pc == PC.RANGE_BINS, t.pending[s])
    claim("range meets no key twice", implies(here != absent, t.found == absent))
    t.found = If(here == absent, t.found, here)
    t.pending[s] = False


@action
def range_done(t: Thread) -> None:
    """range: after the last bin"""
    when(t.pc == PC.RANGE_BINS, forall(Shard, lambda s: ~t.pending[s]))
    t.pc = PC.RETURN


# ------------------------------------------------------------------------------------------------ writers


@action
def route(t: Thread) -> None:
    """_owner_locked: shard = self.route.load().owner_of(hash_value)"""
    load_route(t, at=PC.ROUTE, then=PC.LOCK)


@action
def lock_owner(t: Thread) -> None:
    """_owner_locked: with shard.mu"""
    lock(t, at=PC.LOCK, then=PC.CHECK)


def switched_away(s: Shard) -> Bool:
    """successors_locked: split is not None and split.migrating is NEW_ONLY"""
    return all_of(s.split != no_split, s.split.migrating == Migrating.NEW_ONLY)


@action
def check_owner(t: Thread) -> None:
    """_owner_locked: not shard.successors_locked()"""
    when(t.pc == PC.CHECK, ~switched_away(t.shard))
    t.pc = PC.FIND


@action
def check_successors(t: Thread) -> None:
    """_owner_locked: shard.successors_locked()"""
    when(t.pc == PC.CHECK, switched_away(t.shard))
    t.pc = PC.UNLOCK_RETRY


@action
def unlock_retry(t: Thread) -> None:
    """_owner_locked: the end of `with shard.mu`, and once more"""
    unlock(t, at=PC.UNLOCK_RETRY, then=PC.ROUTE)


@action
def find_and_exchange(t: Thread) -> None:
    """node = shard.find(hash_value, key), which the operation exchanges"""
    when(t.pc == PC.FIND, exchanges(t, t.shard.held[t.key]))
    t.found = t.shard.held[t.key]
    t.pc = PC.WRITE_OLD


@action
def find_and_leave(t: Thread) -> None:
    """node = shard.find(hash_value, key), which the operation leaves: it takes effect here"""
    when(t.pc == PC.FIND, ~exchanges(t, t.shard.held[t.key]))
    take_effect(t)
    t.found = t.shard.held[t.key]
    t.pc = PC.UNLOCK


@action
def write_old(t: Thread) -> None:
    """exchange_locked: self._exchange_here(hash_value, old, new), where it takes effect"""
    when(t.pc == PC.WRITE_OLD)
    take_effect(t)
    t.shard.held[t.key] = new_value(t)
    t.wrote = True
    t.key.torn = t.shard.split != no_split
    t.pc = PC.WRITE_NEW


@action
def write_only_old(t: Thread) -> None:
    """exchange_locked: split is None"""
    when(t.pc == PC.WRITE_NEW, t.shard.split == no_split)
    t.pc = PC.UNLOCK


@action
def write_new(t: Thread, c: Shard) -> None:
    """exchange_locked: split.child_of(hash_value)._exchange_here(hash_value, old, new)"""
    when(t.pc == PC.WRITE_NEW, t.shard.split != no_split, child_for(c, t.shard, t.key))
    c.held[t.key] = new_value(t)
    t.key.torn = False
    t.pc = PC.UNLOCK


@action
def unlock_owner(t: Thread) -> None:
    """_owner_locked: the end of `with shard.mu`, after the operation"""
    unlock(t, at=PC.UNLOCK, then=PC.RETURN)


# ------------------------------------------------------------------------------------------------ clear


@action
def clear_route(t: Thread) -> None:
    """clear: shards = list(self.route.load().shards())"""
    when(t.pc == PC.CLEAR_ROUTE)
    everywhere(Thread.pending, lambda u, s: If(u == t, s.routed, u.pending[s]))
    everywhere(Thread.heir, lambda u, k: If(u == t, m.route[k], u.heir[k]))
    t.pc = PC.CLEAR_NEXT


@action
def clear_next(t: Thread, s: Shard) -> None:
    """clear: shard = shards.pop()"""
    when(t.pc == PC.CLEAR_NEXT, t.pending[s])
    t.pending[s] = False
    t.shard = s
    t.pc = PC.CLEAR_LOCK


@action
def clear_done(t: Thread) -> None:
    """clear: while shards"""
    when(t.pc == PC.CLEAR_NEXT, forall(Shard, lambda s: ~t.pending[s]))
    t.pc = PC.RETURN


@action
def clear_lock(t: Thread) -> None:
    """clear: with shard.mu"""
    lock(t, at=PC.CLEAR_LOCK, then=PC.CLEAR_CHECK)


@action
def clear_successors(t: Thread, zero: Shard, one: Shard) -> None:
    """clear: successors = shard.successors_locked(), which the loop goes to in its place"""
    s = t.shard
    when(t.pc == PC.CLEAR_CHECK, switched_away(s), are_new(zero, one, s))
    everywhere(Thread.pending, lambda u, c: any_of(u.pending[c], all_of(u == t, one_of(c, zero, one))))
    everywhere(
        Thread.heir,
        lambda u, k: If(all_of(u == t, u.heir[k] == s), If(s.split.upper[k], one, zero), u.heir[k]),
    )
    t.pc = PC.CLEAR_UNLOCK


@action
def clear_owner(t: Thread) -> None:
    """clear: not successors"""
    when(t.pc == PC.CLEAR_CHECK, ~switched_away(t.shard))
    everywhere(Thread.emptied, lambda u, b: all_of(u != t, u.emptied[b]))
    t.pc = PC.CLEAR_OLD


@action
def clear_old(t: Thread, b: Bin) -> None:
    """clear_locked: self.set_bin_locked(number, ()), where the keys of the bin are deleted"""
    s = t.shard

    def deleted(k: Key) -> Bool:
        return all_of(k.bin == b, m.route[k] == s)

    when(t.pc == PC.CLEAR_OLD, ~t.emptied[b])
    claim(ONCE, forall(Key, lambda k: implies(deleted(k), ~t.cleared[k])))
    everywhere(Shard.held, lambda r, k: If(all_of(r == s, k.bin == b), absent, r.held[k]))
    everywhere(Key.contents, lambda k: If(deleted(k), absent, k.contents))
    everywhere(Key.torn, lambda k: If(deleted(k), s.split != no_split, k.torn))
    everywhere(Thread.seen, lambda u, x: any_of(u.seen[x], all_of(deleted(u.key), x == absent)))
    everywhere(Thread.cleared, lambda u, k: any_of(u.cleared[k], all_of(u == t, deleted(k))))
    t.emptied[b] = True


@action
def clear_old_done(t: Thread) -> None:
    """clear_locked: on to split.new[0], if there is a split"""
    when(t.pc == PC.CLEAR_OLD, forall(Bin, lambda b: t.emptied[b]))
    everywhere(Thread.emptied, lambda u, b: all_of(u != t, u.emptied[b]))
    t.pc = If(t.shard.split == no_split, PC.CLEAR_UNLOCK, PC.CLEAR_ZERO)


def empty_new(t: Thread, at: PC, b: Bin, second: bool) -> None:
    """clear_locked: shard.set_bin_locked(number, ()) of one of split.new"""
    s = t.shard

    def in_new(c: Shard, k: Key) -> Bool:
        return all_of(k.bin == b, is_new(c, s), c.second == second)

    when(t.pc == at, ~t.emptied[b])
    everywhere(Shard.held, lambda c, k: If(in_new(c, k), absent, c.held[k]))
    everywhere(
        Key.torn,
        lambda k: all_of(k.torn, ~all_of(k.bin == b, m.route[k] == s, s.split.upper[k] == second)),
    )
    t.emptied[b] = True


@action
def clear_zero(t: Thread, b: Bin) -> None:
    """clear_locked: shard.set_bin_locked(number, ()) of split.new[0]"""
    empty_new(t, PC.CLEAR_ZERO, b, second=False)


@action
def clear_zero_done(t: Thread) -> None:
    """clear_locked: on to split.new[1]"""
    when(t.pc == PC.CLEAR_ZERO, forall(Bin, lambda b: t.emptied[b]))
    everywhere(Thread.emptied, lambda u, b: all_of(u != t, u.emptied[b]))
    t.pc = PC.CLEAR_ONE


@action
def clear_one(t: Thread, b: Bin) -> None:
    """clear_locked: shard.set_bin_locked(number, ()) of split.new[1]"""
    empty_new(t, PC.CLEAR_ONE, b, second=True)


@action
def clear_one_done(t: Thread) -> None:
    """clear_locked: the end"""
    when(t.pc == PC.CLEAR_ONE, forall(Bin, lambda b: t.emptied[b]))
    t.pc = PC.CLEAR_UNLOCK


@action
def clear_unlock(t: Thread) -> None:
    """clear: the end of `with shard.mu`"""
    unlock(t, at=PC.CLEAR_UNLOCK, then=PC.CLEAR_NEXT)


STEPS = actions_in(globals())
