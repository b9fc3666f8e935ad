"""The sharded map with one line of the algorithm wrong, again and again: other designs, and slips.

The idea: each mutant is the one or few steps in which its line stands, written again without it. Some turn out to be
as good as the original, which tells what the algorithm does not rest on: the comparison finds nothing, and the cursor
might as well fill gaps only. Where the comparison would find what the mutant does, it is a broken state and no
wrong answer: that is what the comparison is for.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant, Statement
from mapproof.proofs.systems.shard_rehash import SHARD_REHASH
from mapproof.proofs.systems.shard_rehash.invariant import (
    clear_locals,
    contents,
    copied_chain,
    copies,
    cursor,
    left_the_route,
    migrator_owner,
    mu_owner,
    one_owner,
    own_keys,
    pending_shards,
    readers,
    torn_keys,
    writer_locals,
)
from mapproof.proofs.systems.shard_rehash.migration import all_copied, begin_split, copy_part, set_route
from mapproof.proofs.systems.shard_rehash.parts import (
    are_new,
    child_for,
    exchanges,
    is_new,
    new_value,
    take_effect,
)
from mapproof.proofs.systems.shard_rehash.state import (
    PC,
    Bin,
    Key,
    Migrating,
    Op,
    Shard,
    Split,
    Thread,
    absent,
    m,
    no_split,
)
from mapproof.proofs.systems.shard_rehash.steps import switched_away
from mapproof.proofs.terms import Bool, If, all_of, any_of, claim, everywhere, forall, implies, when
from mapproof.proofs.transition_system import Action, action

# ------------------------------------------------------------------------------------------------ writers


@action(name="write_old")
def _write_new_only(t: Thread) -> None:
    """while the shard is split, the store to its own bin is missing"""
    s = t.shard
    when(t.pc == PC.WRITE_OLD)
    take_effect(t)
    s.held[t.key] = If(s.split == no_split, new_value(t), s.held[t.key])
    t.wrote = True
    t.key.torn = s.split != no_split
    t.pc = PC.WRITE_NEW


@action(name="write_new")
def _write_old_only(t: Thread, c: Shard) -> None:
    """the store to the child's bin is missing"""
    when(t.pc == PC.WRITE_NEW, t.shard.split != no_split, child_for(c, t.shard, t.key))
    t.key.torn = False
    t.pc = PC.UNLOCK


@action(name="write_new")
def _delete_old_only(t: Thread, c: Shard) -> None:
    """the store to the child's bin is missing, if it would delete"""
    when(t.pc == PC.WRITE_NEW, t.shard.split != no_split, child_for(c, t.shard, t.key))
    c.held[t.key] = If(new_value(t) == absent, c.held[t.key], new_value(t))
    t.key.torn = False
    t.pc = PC.UNLOCK


@action(name="write_new")
def _write_other_child(t: Thread, c: Shard) -> None:
    """the second store goes to the child of the other bit"""
    s = t.shard
    when(t.pc == PC.WRITE_NEW, s.split != no_split, is_new(c, s), c.second != s.split.upper[t.key])
    c.held[t.key] = new_value(t)
    t.key.torn = False
    t.pc = PC.UNLOCK


@action(name="write_old")
def _unlock_between_stores(t: Thread) -> None:
    """shard.mu unlocks after the first store"""
    when(t.pc == PC.WRITE_OLD)
    take_effect(t)
    t.shard.held[t.key] = new_value(t)
    t.shard.mu = False
    t.wrote = True
    t.key.torn = t.shard.split != no_split
    t.pc = PC.WRITE_NEW


@action(name="unlock_owner")
def _unlock_only_in_name(t: Thread) -> None:
    """the end of the operation, where shard.mu is not held"""
    when(t.pc == PC.UNLOCK)
    t.pc = PC.RETURN


@action(name="unlock_retry")
def _retry_only_in_name(t: Thread) -> None:
    """once more, where shard.mu is not held"""
    when(t.pc == PC.UNLOCK_RETRY)
    t.pc = PC.ROUTE


@action(name="lock_owner")
def _no_lock(t: Thread) -> None:
    """with shard.mu is missing"""
    when(t.pc == PC.LOCK)
    t.pc = PC.CHECK


@action(name="check_owner")
def _no_check(t: Thread) -> None:
    """not shard.successors_locked() is not asked"""
    when(t.pc == PC.CHECK)
    t.pc = PC.FIND


@action(name="check_successors")
def _never_retry(t: Thread) -> None:
    """shard.successors_locked() is not asked"""
    when(t.pc == PC.CHECK, any_of())
    t.pc = PC.UNLOCK_RETRY


@action(name="find_and_exchange")
def _exchange_without_comparing(t: Thread) -> None:
    """compare_and_delete deletes whatever it finds"""
    here = t.shard.held[t.key]
    unasked = all_of(t.op == Op.COMPARE_AND_DELETE, here != absent)
    when(t.pc == PC.FIND, any_of(exchanges(t, here), unasked))
    t.found = here
    t.pc = PC.WRITE_OLD


# ------------------------------------------------------------------------------------------------ readers, clear


@action(name="load_bin")
def _load_new(t: Thread, c: Shard) -> None:
    """load reads the new shard as soon as there is one"""
    split = t.shard.split != no_split
    when(t.pc == PC.LOAD_BIN, implies(split, child_for(c, t.shard, t.key)))
    t.found = If(split, c.held[t.key], t.shard.held[t.key])
    t.pc = PC.RETURN


@action(name="range_route")
def _range_all(t: Thread) -> None:
    """range asks for the route at each shard"""
    when(t.pc == PC.RANGE_ROUTE)
    t.shard = m.route[t.key]
    everywhere(Thread.pending, lambda u, s: any_of(u == t, u.pending[s]))
    t.pc = PC.RANGE_BINS


@action(name="range_bin")
def _range_newest(t: Thread, s: Shard) -> None:
    """the shards that it has not been to, of the newest route"""
    here = s.held[t.key]
    when(t.pc == PC.RANGE_BINS, t.pending[s], s.routed)
    claim("range meets no key twice", implies(here != absent, t.found == absent))
    t.found = If(here == absent, t.found, here)
    t.pending[s] = False


@action(name="range_done")
def _range_newest_done(t: Thread) -> None:
    """after the last shard of the newest route"""
    when(t.pc == PC.RANGE_BINS, forall(Shard, lambda s: ~all_of(t.pending[s], s.routed)))
    t.pc = PC.RETURN


@action(name="clear_successors")
def _clear_without_successors(t: Thread) -> None:
    """shards.extend(successors) is missing"""
    when(t.pc == PC.CLEAR_CHECK, switched_away(t.shard))
    t.pc = PC.CLEAR_UNLOCK


@action(name="clear_old_done")
def _clear_old_only(t: Thread) -> None:
    """clear_locked: the new shards are not emptied"""
    when(t.pc == PC.CLEAR_OLD, forall(Bin, lambda b: t.emptied[b]))
    t.pc = PC.CLEAR_UNLOCK


# ------------------------------------------------------------------------------------------------ migrations


@action(name="migrate_lock")
def _cursor_no_lock(t: Thread) -> None:
    """with shard.mu is missing"""
    when(t.pc == PC.MIGRATE_LOCK)
    t.pc = PC.SPLIT


@action(name="migrate_unlock")
def _cursor_no_unlock(t: Thread) -> None:
    """the end of the batch, where shard.mu is not held"""
    when(t.pc == PC.MIGRATE_UNLOCK)
    t.pc = PC.MIGRATED


@action(name="migrator_lock")
def _no_migrator(t: Thread) -> None:
    """with self.migrator is missing"""
    when(t.pc == PC.MIGRATOR_LOCK)
    t.pc = PC.MIGRATOR


@action(name="split_begin")
def _begin_without_lock(t: Thread, split: Split, zero: Shard, one: Shard) -> None:
    """shard.split.write(Split(...)) before shard.mu locks"""
    begin_split(t, split, zero, one, at=PC.MIGRATE_LOCK, then=PC.MIGRATE_LOCK)


@action(name="copy_zero")
def _copy_no_zero(t: Thread) -> None:
    """the store to the bin of split.new[0] is missing"""
    when(t.pc == PC.COPY_ZERO)
    t.pc = PC.COPY_ONE


@action(name="copy_zero")
def _copy_all_to_zero(t: Thread) -> None:
    """split.new[0] gets the whole chain"""
    s, b = t.shard, t.bin

    def in_zero(c: Shard, k: Key) -> Bool:
        return all_of(k.bin == b, is_new(c, s), ~c.second)

    when(t.pc == PC.COPY_ZERO)
    everywhere(Shard.held, lambda c, k: If(in_zero(c, k), t.chain[k], c.held[k]))
    t.pc = PC.COPY_ONE


@action(name="copy_zero")
def _fill_gaps_zero(t: Thread) -> None:
    """split.new[0] keeps what it has"""
    when(t.pc == PC.COPY_ZERO)
    copy_part(t, second=False, gaps_only=True)
    t.pc = PC.COPY_ONE


@action(name="copy_one")
def _fill_gaps_one(t: Thread) -> None:
    """split.new[1] keeps what it has"""
    when(t.pc == PC.COPY_ONE)
    copy_part(t, second=True, gaps_only=True)
    t.bin.copied = True
    t.pc = PC.CURSOR


@action(name="switch_route")
def _switch_early(t: Thread, zero: Shard, one: Shard) -> None:
    """the cursor need not be at its end"""
    when(t.pc == PC.CURSOR, are_new(zero, one, t.shard))
    set_route(t, zero, one, then=PC.SWITCH_MIGRATING)


@action(name="switch_route")
def _switch_unseen(t: Thread, zero: Shard, one: Shard) -> None:
    """the bins are not compared"""
    when(t.pc == PC.CURSOR, all_copied(), are_new(zero, one, t.shard))
    set_route(t, zero, one, then=PC.SWITCH_MIGRATING)


@action(name="switch_route")
def _switch_crossed(t: Thread, zero: Shard, one: Shard) -> None:
    """the route leads each key to the child of the other bit"""
    when(t.pc == PC.CURSOR, forall(Bin, lambda b: b.compared), are_new(zero, one, t.shard))
    set_route(t, one, zero, then=PC.SWITCH_MIGRATING)


@action(name="switch_route")
def _switch_unlocked(t: Thread, zero: Shard, one: Shard) -> None:
    """shard.mu unlocks between the two stores of the switch"""
    when(t.pc == PC.CURSOR, forall(Bin, lambda b: b.compared), are_new(zero, one, t.shard))
    set_route(t, zero, one, then=PC.SWITCH_MIGRATING)
    t.shard.mu = False


@action(name="switch_route")
def _migrating_first(t: Thread) -> None:
    """split.migrating.write(Migrating.NEW_ONLY), before the route is set"""
    when(t.pc == PC.CURSOR, forall(Bin, lambda b: b.compared))
    t.shard.split.migrating = Migrating.NEW_ONLY
    t.over = True
    t.pc = PC.SWITCH_MIGRATING


@action(name="switch_migrating")
def _route_last(t: Thread, zero: Shard, one: Shard) -> None:
    """self.route.store(self.route.load().after(split))"""
    when(t.pc == PC.SWITCH_MIGRATING, are_new(zero, one, t.shard))
    set_route(t, zero, one, then=PC.MIGRATE_UNLOCK)


@action(name="migrated_over")
def _cursor_not_reset(t: Thread) -> None:
    """self.cursor.write(0) is missing"""
    when(t.pc == PC.MIGRATED, t.over)
    m.front.waiting = False
    m.busy = False
    t.pc = PC.MIGRATOR


# ------------------------------------------------------------------------------------------------ the list


def bound(threads: int, calls: int, *, values: int = 2, splits: int = 1) -> Bound:
    """One key and one bin, and so many threads, calls, values (`absent` is one) and migrations."""
    sizes = {"Value": values, "Bin": 1, "Split": 1 + splits, "Key": 1, "Shard": 1 + 2 * splits}
    return Bound({**sizes, "Thread": threads}, {"invoke": calls})


def _mutant(
    name: str, *replaced: Action, breaks: Statement | None, within: Bound, fault: Fault = Fault.WRONG_ANSWER
) -> Mutant:
    return Mutant(name, SHARD_REHASH, replaced, breaks, fault, within)


NEW_ONLY = _mutant(
    "writers write to the new shard only", _write_new_only, breaks=contents, within=bound(1, 3)
)
OLD_ONLY = _mutant("writers write to the old shard only", _write_old_only, breaks=copies, within=bound(1, 4))
NO_CHECK = _mutant(
    "a writer that waited does not ask for successors",
    _no_check,
    _never_retry,
    breaks=writer_locals,
    within=bound(2, 3),
)
DELETE_OLD_ONLY = _mutant(
    "a delete is not written to the new shard", _delete_old_only, breaks=copies, within=bound(1, 5)
)
CURSOR_WITHOUT_LOCK = _mutant(
    "the cursor takes no lock", _cursor_no_lock, _cursor_no_unlock, breaks=mu_owner, within=bound(2, 3)
)
NO_LOCK = _mutant(
    "writers take no lock",
    *(_no_lock, _unlock_only_in_name, _retry_only_in_name),
    breaks=mu_owner,
    within=bound(2, 3),
)
UNLOCK_BETWEEN = _mutant(
    "a writer unlocks between its two stores",
    *(_unlock_between_stores, _unlock_only_in_name),
    breaks=mu_owner,
    within=bound(2, 3),
)
OTHER_CHILD = _mutant(
    "the second store goes to the wrong child", _write_other_child, breaks=own_keys, within=bound(1, 4)
)
NO_COMPARE = _mutant(
    "compare_and_delete does not compare",
    _exchange_without_comparing,
    breaks=writer_locals,
    within=bound(1, 2, values=3),
)
READ_NEW = _mutant("load reads the new shard while migrating", _load_new, breaks=readers, within=bound(1, 3))
RANGE_NEWEST = _mutant(
    "range asks for the route at each shard",
    *(_range_all, _range_newest, _range_newest_done),
    breaks=pending_shards,
    within=bound(2, 3),
)
CLEAR_LOSES_SUCCESSORS = _mutant(
    "clear does not go on to the successors",
    _clear_without_successors,
    breaks=clear_locals,
    within=bound(2, 2),
)
CLEAR_OLD_ONLY = _mutant(
    "clear does not empty the new shards", _clear_old_only, breaks=torn_keys, within=bound(1, 5)
)
NO_MIGRATOR = _mutant(
    "two threads migrate at a time", _no_migrator, breaks=migrator_owner, within=bound(2, 4)
)
COPY_NO_ZERO = _mutant(
    "one child gets no copy",
    _copy_no_zero,
    breaks=copied_chain,
    within=bound(1, 4),
    fault=Fault.BROKEN_STATE,
)
COPY_NO_ZERO_UNSEEN = _mutant(
    "one child gets no copy, and nothing is compared",
    *(_copy_no_zero, _switch_unseen),
    breaks=copied_chain,
    within=bound(1, 3),
)
SWITCH_EARLY = _mutant("the switch comes early", _switch_early, breaks=contents, within=bound(1, 3))
SWITCH_CROSSED = _mutant(
    "the route leads to the wrong child", _switch_crossed, breaks=one_owner, within=bound(1, 3)
)
SWITCH_UNLOCKED = _mutant(
    "the switch gives the lock back too early", _switch_unlocked, breaks=left_the_route, within=bound(2, 3)
)
MIGRATING_FIRST = _mutant(
    "migrating is set before the route",
    *(_migrating_first, _route_last),
    breaks=one_owner,
    within=bound(2, 3),
    fault=Fault.BROKEN_STATE,
)
CURSOR_NOT_RESET = _mutant(
    "the cursor of one migration counts for the next",
    _cursor_not_reset,
    breaks=cursor,
    within=bound(1, 3, splits=2),
)
SWITCH_UNSEEN = _mutant(
    "the bins are not compared", _switch_unseen, breaks=None, within=bound(2, 3), fault=Fault.EQUIVALENT
)
FILL_GAPS = _mutant(
    "the cursor fills gaps only",
    *(_fill_gaps_zero, _fill_gaps_one),
    breaks=None,
    within=bound(2, 3),
    fault=Fault.EQUIVALENT,
)
BEGIN_WITHOUT_LOCK = _mutant(
    "a migration begins before it has the lock",
    _begin_without_lock,
    breaks=None,
    within=bound(2, 3),
    fault=Fault.EQUIVALENT,
)

MUTANTS = (
    *(NEW_ONLY, OLD_ONLY, NO_CHECK, DELETE_OLD_ONLY, CURSOR_WITHOUT_LOCK, NO_LOCK, UNLOCK_BETWEEN),
    *(OTHER_CHILD, NO_COMPARE, READ_NEW, RANGE_NEWEST, CLEAR_LOSES_SUCCESSORS, CLEAR_OLD_ONLY),
    *(NO_MIGRATOR, COPY_NO_ZERO, COPY_NO_ZERO_UNSEEN, SWITCH_EARLY, SWITCH_CROSSED, SWITCH_UNLOCKED),
    *(MIGRATING_FIRST, CURSOR_NOT_RESET, SWITCH_UNSEEN, FILL_GAPS, BEGIN_WITHOUT_LOCK),
)
"""All of them; the first three first."""

BOUNDS = (bound(1, 3), bound(2, 2), bound(2, 3))

CHAPTER = Chapter(SHARD_REHASH, MUTANTS, BOUNDS)
