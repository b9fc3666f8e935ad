"""One key of Go's sync.Map on its way through read and dirty, as a system of a dozen plain variables.

The idea: whether a promotion loses a key is a question about one key. The others matter only by their number in
dirty, which decides when a promotion comes. So nothing here is quantified, and a solver can look for the invariant
by itself (`inference.py`); ours, found by hand, stands below and says the same in words.

What a critical section does is one step, but for the copy of read to dirty, which goes key by key: meanwhile others
store into and delete from the entries of read without the lock. Any number of threads takes these steps. Left out:
values (a key is there or not), Range and Clear, and what a thread does between its loads.
"""

from __future__ import annotations

from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Field,
    Globals,
    If,
    Int,
    all_of,
    any_of,
    claim,
    count,
    implies,
    when,
)
from mapproof.proofs.transition_system import action, actions_in, invariant, invariants_in, system


class Content(Enumeration):
    """What the pointer of an entry can be."""

    VALUE: Content
    NIL: Content
    EXPUNGED: Content


class Map(Globals, prefix="m"):
    """The fields of sync.Map."""

    amended = Field(Bool)
    has_dirty = Field(Bool)  # dirty != nil
    misses = Field(Int)
    others = Field(Int)  # how many other keys dirty has
    copying = Field(Bool)  # dirtyLocked is at work


class Key(Globals, prefix="key"):
    """The one key; `p` is the pointer of its entry in read, `dirty_p` that of its entry in dirty."""

    in_read = Field(Bool)
    in_dirty = Field(Bool)
    p = Field(Content)
    dirty_p = Field(Content)
    shared = Field(Bool)  # read and dirty have the same entry
    copied = Field(Bool)  # dirtyLocked has been at this key
    present = Field(Bool, ghost=True)  # the abstract map holds it


m, key = Map(), Key()


def found() -> Bool:
    """What Load answers, all of it done at once."""
    in_dirty = all_of(m.amended, key.in_dirty, key.dirty_p == Content.VALUE)
    return If(key.in_read, key.p == Content.VALUE, in_dirty)


def dirty_length() -> Int:
    """len(m.dirty)"""
    return m.others + count(key.in_dirty)


@action
def initial() -> None:
    """the zero Map"""
    m.amended = False
    m.has_dirty = False
    m.misses = 0
    m.others = 0
    m.copying = False
    key.in_read = False
    key.in_dirty = False
    key.p = Content.NIL
    key.dirty_p = Content.NIL
    key.shared = False
    key.copied = False
    key.present = False


# ------------------------------------------------------------------------------------------------ the key


@action
def load() -> None:
    """Load(key)"""
    claim("a load finds the key exactly when the map holds it", found() == key.present)


def put_in_read(content: Content, *, present: bool) -> None:
    """Write the entry that read has, without the lock."""
    key.dirty_p = If(key.shared, content, key.dirty_p)
    key.p = content
    key.present = present


@action
def store_in_read() -> None:
    """e.trySwap(&value) succeeds"""
    when(key.in_read, key.p != Content.EXPUNGED)
    put_in_read(Content.VALUE, present=True)


@action
def delete_in_read() -> None:
    """e.delete() succeeds"""
    when(key.in_read, key.p == Content.VALUE)
    put_in_read(Content.NIL, present=False)


@action
def store_expunged() -> None:
    """if e.unexpungeLocked() { m.dirty[key] = e }; e.swapLocked(&value)"""
    when(~m.copying, key.in_read, key.p == Content.EXPUNGED)
    key.p = Content.VALUE
    key.in_dirty = True
    key.dirty_p = Content.VALUE
    key.shared = True
    key.present = True


@action
def store_in_dirty() -> None:
    """else if e, ok := m.dirty[key]; ok { e.swapLocked(&value) }"""
    when(~m.copying, ~key.in_read, key.in_dirty)
    key.dirty_p = Content.VALUE
    key.present = True


def _insert() -> None:
    """m.dirty[key] = newEntry(value)"""
    key.in_dirty = True
    key.dirty_p = Content.VALUE
    key.shared = False
    key.present = True


@action
def store_new() -> None:
    """else { m.dirty[key] = newEntry(value) }, where dirty was there"""
    when(~m.copying, ~key.in_read, ~key.in_dirty, m.amended)
    _insert()


@action
def delete_in_dirty() -> None:
    """delete(m.dirty, key), the entry emptied"""
    when(~m.copying, ~key.in_read, m.amended, key.in_dirty)
    key.in_dirty = False
    key.present = False


# ------------------------------------------------------------------------------------------------ the copy


@action
def make_dirty() -> None:
    """m.dirty = make(map[any]*entry), for a new key"""
    when(~m.copying, ~m.amended, ~m.has_dirty)
    m.copying = True
    m.has_dirty = True
    m.others = 0
    key.in_dirty = False
    key.shared = False
    key.copied = False


@action
def copy_other() -> None:
    """m.dirty[k] = e, for another key k of read"""
    when(m.copying)
    m.others = m.others + 1


@action
def copy_key() -> None:
    """if !e.tryExpungeLocked() { m.dirty[key] = e }"""
    when(m.copying, key.in_read, ~key.copied)
    live = key.p == Content.VALUE
    key.in_dirty = live
    key.dirty_p = If(live, key.p, key.dirty_p)
    key.shared = live
    key.p = If(live, key.p, Content.EXPUNGED)
    key.copied = True


@action
def amend_for_another() -> None:
    """m.read.Store(&readOnly{m: read.m, amended: true}); m.dirty[other] = newEntry(value)"""
    when(m.copying, implies(key.in_read, key.copied))
    m.copying = False
    m.amended = True
    m.others = m.others + 1


@action
def amend_for_this_key() -> None:
    """m.read.Store(&readOnly{m: read.m, amended: true}); m.dirty[key] = newEntry(value)"""
    when(m.copying, ~key.in_read)
    m.copying = False
    m.amended = True
    _insert()


# ------------------------------------------------------------------------------------------------ other keys


@action
def store_other() -> None:
    """m.dirty[other] = newEntry(value)"""
    when(~m.copying, m.amended)
    m.others = m.others + 1


@action
def delete_other() -> None:
    """delete(m.dirty, other)"""
    when(~m.copying, m.amended, m.others > 0)
    m.others = m.others - 1


# ------------------------------------------------------------------------------------------------ promotion


@action
def miss() -> None:
    """m.misses++; if m.misses < len(m.dirty) { return }"""
    when(~m.copying, m.amended, m.misses + 1 < dirty_length())
    m.misses = m.misses + 1


def read_becomes_dirty() -> None:
    """m.read.Store(&readOnly{m: m.dirty}); m.misses = 0"""
    key.in_read = key.in_dirty
    key.p = key.dirty_p
    m.misses = 0


@action
def promote() -> None:
    """m.read.Store(&readOnly{m: m.dirty}); m.dirty = nil; m.misses = 0"""
    when(~m.copying, m.amended, m.misses + 1 >= dirty_length())
    read_becomes_dirty()
    m.amended = False
    m.has_dirty = False
    m.others = 0
    key.in_dirty = False
    key.shared = False


# ------------------------------------------------------------------------------------------------ the invariant


@invariant("a load finds the key exactly when the map holds it")
def answers() -> Bool:
    """Whoever looks in read, and in dirty where read is amended, finds the key exactly when the map holds it."""
    return found() == key.present


@invariant("read is amended exactly when there is a dirty that is complete")
def amended_iff_dirty() -> Bool:
    """There is a dirty while read is amended or dirtyLocked fills it; and not both."""
    return all_of(m.has_dirty == any_of(m.amended, m.copying), ~all_of(m.amended, m.copying))


@invariant("only a dirty that is there has the key")
def nothing_in_no_dirty() -> Bool:
    """Where there is no dirty, the key is not in it; and while read is copied, only a copied key is."""
    return all_of(
        implies(key.in_dirty, m.has_dirty), implies(all_of(m.copying, key.in_dirty), key.copied, key.in_read)
    )


@invariant("a key of read is in dirty, with the same entry, or it is expunged")
def dirty_has_read() -> Bool:
    """Once it has been copied, a key of read is in dirty with the same entry, unless it is expunged."""
    complete = all_of(m.has_dirty, implies(m.copying, key.copied))
    return all_of(
        implies(all_of(complete, key.in_read), key.in_dirty == (key.p != Content.EXPUNGED)),
        implies(all_of(key.in_read, key.in_dirty), key.shared, key.dirty_p == key.p),
    )


@invariant("dirty has no expunged entry")
def dirty_not_expunged() -> Bool:
    """No entry in dirty is expunged."""
    return implies(key.in_dirty, key.dirty_p != Content.EXPUNGED)


@invariant("an entry is expunged only by a copy, until the next promotion")
def expunged_only_with_dirty() -> Bool:
    """An entry of read is expunged only where there is a dirty, and dirtyLocked has been at it."""
    return implies(
        all_of(key.in_read, key.p == Content.EXPUNGED), m.has_dirty, implies(m.copying, key.copied)
    )


ONE_KEY = system(
    "promotion of one key",
    scope="one key, any number of others and of threads; a model of sync.Map's critical sections",
    state=(Map, Key),
    initial=initial,
    actions=actions_in(globals()),
    invariants=invariants_in(globals()),
)
