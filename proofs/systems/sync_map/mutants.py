"""sync.Map with one line of the algorithm wrong, again and again.

The idea: each mutant is the one or few steps in which its line stands, written again without it. The first
three are those that a reviewer should ask about first.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Fault, Mutant
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.systems.sync_map.invariant import (
    dirty_private,
    live_keys_in_dirty,
)
from mapproof.proofs.systems.sync_map.parts import (
    does,
)
from mapproof.proofs.systems.sync_map.state import PC, Op, Thread, expunged, m, nil
from mapproof.proofs.terms import If, when
from mapproof.proofs.transition_system import action


@action(name="recheck_hit")
def _load_never_rechecks(t: Thread) -> None:
    """Load does not look at read.m a second time"""
    when(t.pc == PC.RECHECK, ~does(t, Op.LOAD, Op.RANGE, Op.CLEAR), m.read.has[t.key])
    t.entry = m.read.entry[t.key]


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
    t.pc = If(does(t, Op.SWAP), PC.SWAP_LOCKED, PC.TRY_LOAD_OR_STORE_LOAD)


BOUND = Bound({"Thread": 2, "Key": 1, "Value": 1, "Pointer": 4, "Entry": 2, "EntryMap": 4}, {"invoke": 3})


PROMOTION_KEEPS_DIRTY = Mutant(
    "promotion keeps dirty", SYNC_MAP, (_promotion_keeps_dirty,), dirty_private, Fault.BROKEN_STATE, BOUND
)
UNEXPUNGE_WITHOUT_INSERT = Mutant(
    "unexpunge does not insert into dirty",
    SYNC_MAP,
    (_unexpunge_without_insert,),
    live_keys_in_dirty,
    Fault.WRONG_ANSWER,
    BOUND,
)

MUTANTS = (PROMOTION_KEEPS_DIRTY, UNEXPUNGE_WITHOUT_INSERT)
"""All of them; the first three first."""
