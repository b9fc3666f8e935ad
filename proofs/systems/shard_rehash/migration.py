"""The atomic steps of a migration: migrating 1, the cursor's copies and comparisons, and the switch.

The idea: any thread does a batch when it calls `maintain` or `rehash`, and holds `migrator` for as long. The
cursor takes the bins in any order and ends a batch anywhere, so what is shown holds for every size of a batch.

The comparison of the counts is not here: a step that could only be refused is left out, and that the
counts agree is checked on runs of the code.
"""

from __future__ import annotations

from mapproof.proofs.systems.shard_rehash.parts import are_new, child_for, is_new, lock, unlock
from mapproof.proofs.systems.shard_rehash.state import (
    PC,
    Bin,
    Key,
    Migrating,
    Shard,
    ShardedMap,
    Split,
    Thread,
    absent,
    m,
    no_split,
)
from mapproof.proofs.terms import Bool, If, all_of, any_of, everywhere, forall, implies, when
from mapproof.proofs.transition_system import action, actions_in

# ------------------------------------------------------------------------------------------------ waiting shards


@action
def migrator_lock(t: Thread) -> None:
    """with self.migrator"""
    when(t.pc == PC.MIGRATOR_LOCK, ~m.migrator)
    m.migrator = True
    t.pc = PC.MIGRATOR


@action
def enqueue(t: Thread, s: Shard) -> None:
    """_enqueue_locked: self.waiting.write(...), which adds a shard of the route"""
    when(t.pc == PC.MIGRATOR, s.routed)
    s.waiting = True


@action
def migrator_unlock(t: Thread) -> None:
    """the end of `with self.migrator`"""
    when(t.pc == PC.MIGRATOR)
    m.migrator = False
    t.pc = PC.MIGRATOR_LOCK


@action
def maintain_done(t: Thread) -> None:
    """maintain, rehash: return"""
    when(t.pc == PC.MIGRATOR_LOCK)
    t.pc = PC.RETURN


@action
def migrate_first(t: Thread, s: Shard) -> None:
    """_migrate: shard = waiting[0], for the first time"""
    when(t.pc == PC.MIGRATOR, ~m.busy, s.waiting)
    m.front = s
    m.busy = True
    t.shard = s
    t.pc = PC.MIGRATE_LOCK


@action
def migrate_on(t: Thread) -> None:
    """_migrate: shard = waiting[0], some batches of which are done"""
    when(t.pc == PC.MIGRATOR, m.busy)
    t.shard = m.front
    t.pc = PC.MIGRATE_LOCK


@action
def migrate_lock(t: Thread) -> None:
    """_migrate: with shard.mu"""
    lock(t, at=PC.MIGRATE_LOCK, then=PC.SPLIT)


# ------------------------------------------------------------------------------------------------ migrating 1


def begin_split(t: Thread, split: Split, zero: Shard, one: Shard, *, at: PC, then: PC) -> None:
    """shard.split.write(Split(...)), whose new shards are empty"""
    s = t.shard

    def new(c: Shard) -> Bool:
        return any_of(c == zero, c == one)

    when(t.pc == at, s.split == no_split)
    when(~split.made, ~zero.made, ~one.made, zero != one)
    split.made = True
    split.migrating = Migrating.DUAL_WRITES
    everywhere(Shard.held, lambda c, k: If(new(c), absent, c.held[k]))
    everywhere(Split.covers, lambda p, k: If(p == split, s.covers[k], p.covers[k]))
    everywhere(
        Shard.covers,
        lambda c, k: If(new(c), all_of(s.covers[k], split.upper[k] == (c == one)), c.covers[k]),
    )
    everywhere(Shard.made_by, lambda c: If(new(c), split, c.made_by))
    everywhere(Shard.second, lambda c: If(new(c), c == one, c.second))
    everywhere(Shard.made, lambda c: any_of(new(c), c.made))
    s.split = split
    m.zero = zero
    m.one = one
    t.pc = then


@action
def split_begin(t: Thread, split: Split, zero: Shard, one: Shard) -> None:
    """_split_locked: split is None; shard.split.write(Split(...)), whose new shards are empty"""
    begin_split(t, split, zero, one, at=PC.SPLIT, then=PC.CURSOR)


@action
def split_found(t: Thread) -> None:
    """_split_locked: split is not None"""
    when(t.pc == PC.SPLIT, t.shard.split != no_split)
    t.pc = PC.CURSOR


# ------------------------------------------------------------------------------------------------ the cursor


@action
def copy_load(t: Thread, b: Bin) -> None:
    """copy_bin: chain = self.old.bins[number].load()"""
    s = t.shard
    when(t.pc == PC.CURSOR, ~b.copied)
    everywhere(Thread.chain, lambda u, k: If(all_of(u == t, k.bin == b), s.held[k], u.chain[k]))
    t.bin = b
    t.pc = PC.COPY_ZERO


def copy_part(t: Thread, *, second: bool, gaps_only: bool = False) -> None:
    """copy_bin: shard.set_bin_locked(number, self._part(chain, shard)) for one of split.new"""
    s, b = t.shard, t.bin

    def in_new(c: Shard, k: Key) -> Bool:
        of_bin = all_of(k.bin == b, is_new(c, s), c.second == second)
        return all_of(of_bin, c.held[k] == absent) if gaps_only else of_bin

    everywhere(
        Shard.held,
        lambda c, k: If(in_new(c, k), If(s.split.upper[k] == second, t.chain[k], absent), c.held[k]),
    )


@action
def copy_zero(t: Thread) -> None:
    """copy_bin: shard.set_bin_locked(number, self._part(chain, shard)) for split.new[0]"""
    when(t.pc == PC.COPY_ZERO)
    copy_part(t, second=False)
    t.pc = PC.COPY_ONE


@action
def copy_one(t: Thread) -> None:
    """copy_bin: shard.set_bin_locked(number, self._part(chain, shard)) for split.new[1]"""
    when(t.pc == PC.COPY_ONE)
    copy_part(t, second=True)
    t.bin.copied = True
    t.pc = PC.CURSOR


def agrees(t: Thread, b: Bin) -> Bool:
    """split.agrees(number)"""
    s = t.shard

    def part(c: Shard, k: Key) -> Bool:
        return c.held[k] == If(child_for(c, s, k), s.held[k], absent)

    return forall(Shard, Key, lambda c, k: implies(all_of(is_new(c, s), k.bin == b), part(c, k)))


def all_copied() -> Bool:
    """The cursor has passed the last copy."""
    return forall(Bin, lambda b: b.copied)


@action
def compare(t: Thread, b: Bin) -> None:
    """advance_locked: split.agrees(number)"""
    when(t.pc == PC.CURSOR, all_copied(), ~b.compared, agrees(t, b))
    b.compared = True


@action(dead="what was copied stays equal, so every comparison agrees")
def compare_differs(t: Thread, b: Bin) -> None:
    """advance_locked: not split.agrees(number)"""
    when(t.pc == PC.CURSOR, all_copied(), ~b.compared, ~agrees(t, b))
    t.pc = PC.DROP


@action(dead="what was copied stays equal, so no split is dropped")
def drop(t: Thread) -> None:
    """_migrate: shard.split.write(None)"""
    when(t.pc == PC.DROP)
    t.shard.split = no_split
    t.over = True
    t.pc = PC.MIGRATE_UNLOCK


@action
def batch_done(t: Thread) -> None:
    """advance_locked: the end of the batch, before the last comparison"""
    when(t.pc == PC.CURSOR)
    t.over = False
    t.pc = PC.MIGRATE_UNLOCK


# ------------------------------------------------------------------------------------------------ migrating 0


def set_route(t: Thread, zero: Shard, one: Shard, *, then: PC) -> None:
    """self.route.store(self.route.load().after(split)), with zero for the keys whose next bit is 0"""
    s = t.shard
    everywhere(ShardedMap.route, lambda k: If(m.route[k] == s, If(s.split.upper[k], one, zero), m.route[k]))
    everywhere(Shard.routed, lambda c: If(c == s, c != s, any_of(c == zero, c == one, c.routed)))
    everywhere(Shard.published, lambda c: any_of(c == zero, c == one, c.published))
    t.over = True
    t.pc = then


@action
def switch_route(t: Thread, zero: Shard, one: Shard) -> None:
    """_switch_locked: self.route.store(self.route.load().after(split))"""
    when(t.pc == PC.CURSOR, forall(Bin, lambda b: b.compared), are_new(zero, one, t.shard))
    set_route(t, zero, one, then=PC.SWITCH_MIGRATING)


@action
def switch_migrating(t: Thread) -> None:
    """_switch_locked: split.migrating.write(Migrating.NEW_ONLY)"""
    when(t.pc == PC.SWITCH_MIGRATING)
    t.shard.split.migrating = Migrating.NEW_ONLY
    t.pc = PC.MIGRATE_UNLOCK


@action
def migrate_unlock(t: Thread) -> None:
    """_migrate: the end of `with shard.mu`"""
    unlock(t, at=PC.MIGRATE_UNLOCK, then=PC.MIGRATED)


@action
def migrated_in_part(t: Thread) -> None:
    """_migrate: self.cursor.write(end)"""
    when(t.pc == PC.MIGRATED, ~t.over)
    t.pc = PC.MIGRATOR


@action
def migrated_over(t: Thread) -> None:
    """_migrate: self.waiting.write(waiting[1:]), self.cursor.write(0)"""
    when(t.pc == PC.MIGRATED, t.over)
    m.front.waiting = False
    m.busy = False
    everywhere(Bin.copied, lambda b: False)
    everywhere(Bin.compared, lambda b: False)
    t.pc = PC.MIGRATOR


MIGRATION_STEPS = actions_in(globals())
