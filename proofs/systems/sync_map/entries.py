"""The atomic steps of sync.Map on one entry: the methods of `entry`, each a load and a compare-and-swap.

The idea: between the two, and between any two rounds of the loop, any other thread may write the entry, for no
lock guards it. Methods named `_locked` in the code are only called under mu; LoadOrStore and CompareAndSwap run
theirs under mu or not, and go on accordingly.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import (
    as_answer,
    equals,
    holds_mu,
    insert,
    is_value,
    place_for,
    take_effect_on_entry,
)
from mapproof.proofs.systems.sync_map.state import PC, Op, Thread, expunged, m, nil
from mapproof.proofs.terms import If, one_of, when
from mapproof.proofs.transition_system import action, actions_in


@action
def entry_load(t: Thread) -> None:
    """e.load(): p := e.p.Load()"""
    when(t.pc == PC.ENTRY_LOAD)
    t.result = as_answer(t.entry.p)
    t.pc = PC.RETURN


# ------------------------------------------------------------------------------------------------ Swap


@action
def try_swap_load(t: Thread) -> None:
    """e.trySwap: p := e.p.Load(); expunged goes to the lock"""
    when(t.pc == PC.TRY_SWAP_LOAD)
    t.loaded = t.entry.p
    t.pc = If(t.entry.p == expunged, PC.LOCK, PC.TRY_SWAP_CAS)


@action
def try_swap_cas(t: Thread) -> None:
    """e.trySwap: e.p.CompareAndSwap(p, i) succeeds"""
    when(t.pc == PC.TRY_SWAP_CAS, t.entry.p == t.loaded)
    t.result = t.loaded
    take_effect_on_entry(t, t.value)
    t.pc = PC.RETURN


@action
def try_swap_retry(t: Thread) -> None:
    """e.trySwap: e.p.CompareAndSwap(p, i) fails"""
    when(t.pc == PC.TRY_SWAP_CAS, t.entry.p != t.loaded)
    t.pc = PC.TRY_SWAP_LOAD


@action
def swap_locked(t: Thread) -> None:
    """e.swapLocked(&value)"""
    when(t.pc == PC.SWAP_LOCKED)
    t.result = t.entry.p
    take_effect_on_entry(t, t.value)
    t.pc = PC.UNLOCK


# ------------------------------------------------------------------------------------------------ unexpunge


def stored_locked_at(t: Thread) -> PC:
    """Where a store writes an entry that is not, or no longer, expunged."""
    return place_for(t, (Op.SWAP, PC.SWAP_LOCKED), otherwise=PC.TRY_LOAD_OR_STORE_LOAD)


@action
def unexpunge_locked(t: Thread) -> None:
    """e.unexpungeLocked(): e.p.CompareAndSwap(expunged, nil) succeeds"""
    when(t.pc == PC.UNEXPUNGE, t.entry.p == expunged)
    t.entry.p = nil
    t.pc = PC.UNEXPUNGE_INSERT


@action
def unexpunge_not_needed(t: Thread) -> None:
    """e.unexpungeLocked(): e.p.CompareAndSwap(expunged, nil) fails"""
    when(t.pc == PC.UNEXPUNGE, t.entry.p != expunged)
    t.pc = stored_locked_at(t)


@action
def unexpunge_insert(t: Thread) -> None:
    """m.dirty[key] = e"""
    when(t.pc == PC.UNEXPUNGE_INSERT)
    insert(m.dirty, t.key, t.entry)
    t.pc = stored_locked_at(t)


# ------------------------------------------------------------------------------------------------ LoadOrStore


def leave(t: Thread) -> PC:
    """Where LoadOrStore and CompareAndSwap go with their answer: what was found in dirty counts as a miss."""
    return If(holds_mu(t), If(t.in_dirty, PC.MISS_LOCKED, PC.UNLOCK), PC.RETURN)


@action
def try_load_or_store_load(t: Thread) -> None:
    """e.tryLoadOrStore: p := e.p.Load(); expunged goes to the lock, nil to the compare-and-swap"""
    when(t.pc == PC.TRY_LOAD_OR_STORE_LOAD, ~is_value(t.entry.p))
    t.pc = If(t.entry.p == expunged, PC.LOCK, PC.TRY_LOAD_OR_STORE_CAS)


@action
def try_load_or_store_loaded(t: Thread) -> None:
    """e.tryLoadOrStore: p := e.p.Load(); it is a value"""
    when(t.pc == PC.TRY_LOAD_OR_STORE_LOAD, is_value(t.entry.p))
    t.result = t.entry.p
    t.ok = True
    t.pc = leave(t)


@action
def try_load_or_store_cas(t: Thread) -> None:
    """e.tryLoadOrStore: e.p.CompareAndSwap(nil, &i) succeeds"""
    when(t.pc == PC.TRY_LOAD_OR_STORE_CAS, t.entry.p == nil)
    take_effect_on_entry(t, t.value)
    t.pc = leave(t)


@action
def try_load_or_store_retry(t: Thread) -> None:
    """e.tryLoadOrStore: e.p.CompareAndSwap(nil, &i) fails"""
    when(t.pc == PC.TRY_LOAD_OR_STORE_CAS, t.entry.p != nil)
    t.pc = PC.TRY_LOAD_OR_STORE_LOAD


# ------------------------------------------------------------------------------------------------ CompareAndSwap


@action
def try_compare_and_swap_load(t: Thread) -> None:
    """e.tryCompareAndSwap: p := e.p.Load(); *p == old"""
    when(t.pc == PC.TRY_COMPARE_AND_SWAP_LOAD, equals(t.entry.p, t.old))
    t.loaded = t.entry.p
    t.pc = PC.TRY_COMPARE_AND_SWAP_CAS


@action
def try_compare_and_swap_differs(t: Thread) -> None:
    """e.tryCompareAndSwap: p := e.p.Load(); p == nil || p == expunged || *p != old"""
    when(t.pc == PC.TRY_COMPARE_AND_SWAP_LOAD, ~equals(t.entry.p, t.old))
    t.result = as_answer(t.entry.p)
    t.pc = leave(t)


@action
def try_compare_and_swap_cas(t: Thread) -> None:
    """e.tryCompareAndSwap: e.p.CompareAndSwap(p, &new) succeeds"""
    when(t.pc == PC.TRY_COMPARE_AND_SWAP_CAS, t.entry.p == t.loaded)
    t.ok = True
    take_effect_on_entry(t, t.value)
    t.pc = leave(t)


@action
def try_compare_and_swap_retry(t: Thread) -> None:
    """e.tryCompareAndSwap: e.p.CompareAndSwap(p, &new) fails"""
    when(t.pc == PC.TRY_COMPARE_AND_SWAP_CAS, t.entry.p != t.loaded)
    t.pc = PC.TRY_COMPARE_AND_SWAP_LOAD


# ------------------------------------------------------------------------------------------------ CompareAndDelete


@action
def compare_and_delete_load(t: Thread) -> None:
    """CompareAndDelete: p := e.p.Load(); *p == old"""
    when(t.pc == PC.COMPARE_AND_DELETE_LOAD, equals(t.entry.p, t.old))
    t.loaded = t.entry.p
    t.pc = PC.COMPARE_AND_DELETE_CAS


@action
def compare_and_delete_differs(t: Thread) -> None:
    """CompareAndDelete: p := e.p.Load(); p == nil || p == expunged || *p != old"""
    when(t.pc == PC.COMPARE_AND_DELETE_LOAD, ~equals(t.entry.p, t.old))
    t.result = as_answer(t.entry.p)
    t.pc = PC.RETURN


@action
def compare_and_delete_cas(t: Thread) -> None:
    """CompareAndDelete: e.p.CompareAndSwap(p, nil) succeeds"""
    when(t.pc == PC.COMPARE_AND_DELETE_CAS, t.entry.p == t.loaded)
    t.ok = True
    take_effect_on_entry(t, nil)
    t.pc = PC.RETURN


@action
def compare_and_delete_retry(t: Thread) -> None:
    """CompareAndDelete: e.p.CompareAndSwap(p, nil) fails"""
    when(t.pc == PC.COMPARE_AND_DELETE_CAS, t.entry.p != t.loaded)
    t.pc = PC.COMPARE_AND_DELETE_LOAD


# ------------------------------------------------------------------------------------------------ LoadAndDelete


@action
def delete_load(t: Thread) -> None:
    """e.delete(): p := e.p.Load(); nil and expunged mean absent"""
    when(t.pc == PC.DELETE_LOAD)
    t.loaded = t.entry.p
    t.pc = If(one_of(t.entry.p, nil, expunged), PC.RETURN, PC.DELETE_CAS)


@action
def delete_cas(t: Thread) -> None:
    """e.delete(): e.p.CompareAndSwap(p, nil) succeeds; what was taken out of dirty is collected"""
    when(t.pc == PC.DELETE_CAS, t.entry.p == t.loaded)
    t.result = t.loaded
    take_effect_on_entry(t, nil)
    t.pc = PC.RETURN


@action
def delete_retry(t: Thread) -> None:
    """e.delete(): e.p.CompareAndSwap(p, nil) fails"""
    when(t.pc == PC.DELETE_CAS, t.entry.p != t.loaded)
    t.pc = PC.DELETE_LOAD


ENTRY_STEPS = actions_in(globals())
