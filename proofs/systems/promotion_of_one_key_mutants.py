"""The promotion of one key with one line wrong: whoever looks for the key afterwards gets a wrong answer.

The idea: as everywhere, a mutant is one step written again. Spacer finds the run that shows it, and no invariant.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant
from mapproof.proofs.systems.promotion_of_one_key import (
    ONE_KEY,
    Content,
    amended_iff_dirty,
    answers,
    dirty_has_read,
    dirty_length,
    key,
    m,
    put_in_read,
    read_becomes_dirty,
)
from mapproof.proofs.terms import If, when
from mapproof.proofs.transition_system import Action, Invariant, action

BOUND = Bound({}, {"copy_other": 1, "store_other": 1, "miss": 2, "promote": 2, "store_new": 2})


@action(name="promote")
def _promote_amended() -> None:
    """m.read.Store(&readOnly{m: m.dirty, amended: true}); m.dirty = nil; m.misses = 0"""
    when(~m.copying, m.amended, m.misses + 1 >= dirty_length())
    read_becomes_dirty()
    m.has_dirty = False
    m.others = 0
    key.in_dirty = False
    key.shared = False


@action(name="promote")
def _promote_the_old_read() -> None:
    """m.read.Store(&readOnly{m: read.m}); m.dirty = nil; m.misses = 0"""
    when(~m.copying, m.amended, m.misses + 1 >= dirty_length())
    m.amended = False
    m.has_dirty = False
    m.others = 0
    m.misses = 0
    key.in_dirty = False
    key.shared = False


@action(name="amend_for_another")
def _amend_early() -> None:
    """for k, e := range read.m { ...; break }"""
    when(m.copying)
    m.copying = False
    m.amended = True
    m.others = m.others + 1


@action(name="copy_key")
def _copy_without_expunging() -> None:
    """if e.load() != nil { m.dirty[key] = e }"""
    when(m.copying, key.in_read, ~key.copied)
    live = key.p == Content.VALUE
    key.in_dirty = live
    key.dirty_p = If(live, key.p, key.dirty_p)
    key.shared = live
    key.copied = True


@action(name="copy_key")
def _copy_another_entry() -> None:
    """if !e.tryExpungeLocked() { m.dirty[key] = newEntry(*e.p.Load()) }"""
    when(m.copying, key.in_read, ~key.copied)
    live = key.p == Content.VALUE
    key.in_dirty = live
    key.dirty_p = If(live, key.p, key.dirty_p)
    key.p = If(live, key.p, Content.EXPUNGED)
    key.copied = True


@action(name="copy_key")
def _copy_deleted_too() -> None:
    """m.dirty[key] = e"""
    when(m.copying, key.in_read, ~key.copied)
    key.in_dirty = True
    key.dirty_p = key.p
    key.shared = True
    key.copied = True


@action(name="store_expunged")
def _unexpunge_without_insert() -> None:
    """e.unexpungeLocked(); e.swapLocked(&value)"""
    when(~m.copying, key.in_read, key.p == Content.EXPUNGED)
    key.p = Content.VALUE
    key.present = True


@action(name="store_in_read")
def _store_in_expunged() -> None:
    """e.p.CompareAndSwap(p, &value), whatever p is"""
    when(key.in_read)
    put_in_read(Content.VALUE, present=True)


@action(name="delete_in_read")
def _delete_expunged() -> None:
    """e.p.CompareAndSwap(p, nil), whatever p is"""
    when(key.in_read)
    put_in_read(Content.NIL, present=False)


@action(name="delete_in_dirty")
def _empty_without_removing() -> None:
    """the entry emptied, and left in m.dirty"""
    when(~m.copying, ~key.in_read, m.amended, key.in_dirty)
    key.dirty_p = Content.NIL
    key.present = False


@action(name="make_dirty")
def _make_dirty_twice() -> None:
    """no `if m.dirty != nil { return }`"""
    when(~m.copying)
    m.copying = True
    m.has_dirty = True
    m.others = 0
    key.in_dirty = False
    key.shared = False
    key.copied = False


@action(name="amend_for_this_key")
def _not_amended() -> None:
    """m.dirty[key] = newEntry(value), read not amended"""
    when(m.copying, ~key.in_read)
    m.copying = False
    key.in_dirty = True
    key.dirty_p = Content.VALUE
    key.shared = False
    key.present = True


def _wrong(name: str, replaced: Action, breaks: Invariant) -> Mutant:
    return Mutant(name, ONE_KEY, (replaced,), breaks, Fault.WRONG_ANSWER, BOUND)


def _as_good(name: str, replaced: Action) -> Mutant:
    return Mutant(name, ONE_KEY, (replaced,), None, Fault.EQUIVALENT, BOUND)


MUTANTS = (
    _wrong("promotion leaves read amended", _promote_amended, amended_iff_dirty),
    _wrong("promotion drops dirty and keeps read", _promote_the_old_read, answers),
    _wrong("read is amended before all is copied", _amend_early, dirty_has_read),
    _wrong("the copy expunges nothing", _copy_without_expunging, dirty_has_read),
    _wrong("the copy makes new entries", _copy_another_entry, dirty_has_read),
    _wrong("a store takes an entry back without inserting it", _unexpunge_without_insert, dirty_has_read),
    _wrong("a store writes to an expunged entry", _store_in_expunged, dirty_has_read),
    _wrong("a delete writes to an expunged entry", _delete_expunged, dirty_has_read),
    _wrong("dirty is made again while there is one", _make_dirty_twice, amended_iff_dirty),
    _wrong("the first new key does not amend read", _not_amended, amended_iff_dirty),
    _as_good("the copy takes deleted entries along", _copy_deleted_too),
    _as_good("a delete leaves its emptied entry in dirty", _empty_without_removing),
)

CHAPTER = Chapter(ONE_KEY, MUTANTS, (BOUND,))
