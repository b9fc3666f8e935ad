"""sync.Map with one line of the algorithm wrong, again and again.

The idea: each mutant is the one or few steps in which its line stands, written again without it. The first
three are those that a reviewer should ask about first. Two of the mutants never gave a wrong answer in the
random runs of the tests: only the invariant sees a published map that is still written, and a late promotion.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Fault, Mutant
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.systems.sync_map.invariant import (
    amended_iff_dirty,
    contents,
    dirty_private,
    expunged_iff_not_in_dirty,
    live_keys_in_dirty,
    lock_owner,
    misses_below_length,
    promotion_loses_no_key,
    reader_locals,
    store_locals,
)
from mapproof.proofs.systems.sync_map.parts import store_takes_effect, take_effect
from mapproof.proofs.systems.sync_map.state import PC, Key, Thread, expunged, m, nil
from mapproof.proofs.systems.sync_map.steps import misses_after
from mapproof.proofs.terms import If, any_of, one_of, when
from mapproof.proofs.transition_system import Action, Invariant, action


@action(name="load_recheck_hit")
def _load_never_rechecks(t: Thread) -> None:
    """read.m is not looked at a second time"""
    when(t.pc == PC.LOAD_RECHECK, any_of())


@action(name="load_recheck_clean")
def _load_unchecked_clean(t: Thread) -> None:
    """!read.amended"""
    when(t.pc == PC.LOAD_RECHECK, ~m.amended)
    t.found = False
    t.pc = PC.UNLOCK


@action(name="load_from_dirty")
def _load_unchecked_from_dirty(t: Thread) -> None:
    """e, ok = m.dirty[key]"""
    when(t.pc == PC.LOAD_RECHECK, m.amended)
    t.found = m.dirty.has[t.key]
    t.entry = If(m.dirty.has[t.key], m.dirty.entry[t.key], t.entry)
    t.pc = PC.MISS_LOCKED


@action(name="promote_dirty")
def _promotion_keeps_dirty(t: Thread) -> None:
    """m.dirty = nil is missing"""
    when(t.pc == PC.PROMOTE_DIRTY)
    t.pc = PC.PROMOTE_MISSES


@action(name="unexpunge_locked")
def _unexpunge_without_insert(t: Thread) -> None:
    """e.unexpungeLocked() succeeds, and m.dirty[key] = e is missing"""
    when(t.pc == PC.UNEXPUNGE, t.entry.p == expunged)
    t.entry.p = nil
    t.pc = PC.SWAP_LOCKED


@action(name="try_expunge_locked")
def _no_expunge(t: Thread, k: Key) -> None:
    """the copy skips a nil entry, and does not mark it expunged"""
    when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, one_of(m.read.entry[k].p, nil, expunged))
    k.copied = True


@action(name="try_swap_cas")
def _store_blind(t: Thread) -> None:
    """e.p.Store(i) in place of e.p.CompareAndSwap(p, i)"""
    when(t.pc == PC.TRY_SWAP_CAS)
    store_takes_effect(t)
    t.entry.p = t.value
    t.pc = PC.RETURN


@action(name="try_swap_load")
def _store_ignores_expunged(t: Thread) -> None:
    """p := e.p.Load(), and p == expunged is not asked"""
    when(t.pc == PC.TRY_SWAP_LOAD)
    t.loaded = t.entry.p
    t.pc = PC.TRY_SWAP_CAS


@action(name="amend")
def _amended_not_set(t: Thread) -> None:
    """m.read.Store(&readOnly{m: read.m, amended: true}) is missing"""
    when(t.pc == PC.AMEND)
    t.pc = PC.INSERT_NEW


@action(name="dirty_copy_done")
def _copy_stops_early(t: Thread) -> None:
    """the loop over read.m may end before its last key"""
    when(t.pc == PC.DIRTY_COPY)
    t.pc = PC.AMEND


@action(name="delete_from_dirty")
def _delete_keeps_dirty(t: Thread) -> None:
    """e, ok = m.dirty[key]; ok; delete(m.dirty, key) is missing"""
    when(t.pc == PC.DELETE_RECHECK, ~m.read.has[t.key], m.amended, m.dirty.has[t.key])
    t.entry = m.dirty.entry[t.key]
    t.found = True
    t.taken = t.key.contents
    take_effect(t, t.key, nil)
    m.dirty.entry[t.key].detached = True
    t.pc = PC.MISS_LOCKED


@action(name="store_lock")
def _store_without_lock(t: Thread) -> None:
    """m.mu.Lock() is missing"""
    when(t.pc == PC.STORE_LOCK)
    t.pc = PC.STORE_RECHECK


@action(name="miss_locked_stay")
def _late_stay(t: Thread) -> None:
    """m.misses++; m.misses <= len(m.dirty)"""
    when(t.pc == PC.MISS_LOCKED, misses_after() <= m.dirty.length)
    m.misses = misses_after()
    t.pc = PC.UNLOCK


@action(name="miss_locked_promote")
def _late_promote(t: Thread) -> None:
    """m.misses++; m.misses > len(m.dirty)"""
    when(t.pc == PC.MISS_LOCKED, misses_after() > m.dirty.length)
    m.misses = misses_after()
    t.pc = PC.PROMOTE_READ


BOUND = Bound({"Thread": 2, "Key": 1, "Pointer": 4, "Entry": 2, "EntryMap": 4}, {"invoke": 3})


def _mutant(name: str, *replaced: Action, breaks: Invariant, visible: bool) -> Mutant:
    fault = Fault.WRONG_ANSWER if visible else Fault.BROKEN_STATE
    return Mutant(name, SYNC_MAP, replaced, breaks, fault, BOUND)


LOAD_DOES_NOT_RECHECK = _mutant(
    "load does not look at read again under the lock",
    _load_never_rechecks,
    _load_unchecked_clean,
    _load_unchecked_from_dirty,
    breaks=reader_locals,
    visible=True,
)
PROMOTION_KEEPS_DIRTY = _mutant(
    "promotion keeps dirty", _promotion_keeps_dirty, breaks=dirty_private, visible=False
)
UNEXPUNGE_WITHOUT_INSERT = _mutant(
    "unexpunge does not insert into dirty",
    _unexpunge_without_insert,
    breaks=live_keys_in_dirty,
    visible=True,
)
NO_EXPUNGE = _mutant(
    "the copy to dirty does not expunge", _no_expunge, breaks=expunged_iff_not_in_dirty, visible=True
)
STORE_BLIND = _mutant(
    "store swaps without comparing", _store_blind, breaks=promotion_loses_no_key, visible=True
)
STORE_IGNORES_EXPUNGED = _mutant(
    "store ignores expunged", _store_ignores_expunged, breaks=store_locals, visible=True
)
AMENDED_NOT_SET = _mutant(
    "dirtyLocked leaves read unamended", _amended_not_set, breaks=amended_iff_dirty, visible=True
)
COPY_STOPS_EARLY = _mutant(
    "the copy to dirty stops early", _copy_stops_early, breaks=live_keys_in_dirty, visible=True
)
DELETE_KEEPS_DIRTY = _mutant(
    "delete leaves the key in dirty", _delete_keeps_dirty, breaks=contents, visible=True
)
STORE_WITHOUT_LOCK = _mutant("store takes no lock", _store_without_lock, breaks=lock_owner, visible=True)
PROMOTION_LATE = _mutant(
    "promotion comes one miss late",
    _late_stay,
    _late_promote,
    breaks=misses_below_length,
    visible=False,
)

MUTANTS = (
    LOAD_DOES_NOT_RECHECK,
    PROMOTION_KEEPS_DIRTY,
    UNEXPUNGE_WITHOUT_INSERT,
    NO_EXPUNGE,
    STORE_BLIND,
    STORE_IGNORES_EXPUNGED,
    AMENDED_NOT_SET,
    COPY_STOPS_EARLY,
    DELETE_KEEPS_DIRTY,
    STORE_WITHOUT_LOCK,
    PROMOTION_LATE,
)
"""All of them; the first three first."""
