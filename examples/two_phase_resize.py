"""A table that is replaced by a larger one while it is in use: first wrong, then right.

    mapproof prove --system two_phase_resize.py:WRONG
    mapproof prove --system two_phase_resize.py:RIGHT

From the start of the copy on, a store goes to both tables; loads read the old one until the switch. WRONG copies a
key as one would write it down: read it, then write it. docs/proofs.md reads this file line by line.
"""

from __future__ import annotations

from mapproof.proofs.language import *


class Value(Sort):
    """What a key can hold."""


class Key(Sort):
    old = Field(Value)
    new = Field(Value)
    copied = Field(Bool)
    contents = Field(Value, ghost=True)  # what a user has stored last


class Phase(Enumeration):
    OLD: Phase
    COPYING: Phase
    NEW: Phase


class Resize(Globals, prefix="resize"):
    phase = Field(Phase)
    busy = Field(Bool)  # the copier has read old[key], and not yet written it
    key = Field(Key)
    value = Field(Value)


resize = Resize()


@action
def initial() -> None:
    resize.phase = Phase.OLD
    resize.busy = False
    everywhere(Key.contents, lambda k: k.old)
    everywhere(Key.copied, lambda k: False)


@action
def store(k: Key, v: Value) -> None:
    """old[k] = v until the switch, new[k] = v from the start of the copy on"""
    k.old = If(resize.phase == Phase.NEW, k.old, v)
    k.new = If(resize.phase == Phase.OLD, k.new, v)
    k.contents = v


@action
def load(k: Key) -> None:
    """return old[k] until the switch, new[k] from then on"""
    answer = If(resize.phase == Phase.NEW, k.new, k.old)
    claim("a load answers with what was stored last", answer == k.contents)


@action
def start() -> None:
    """from now on, every store goes to both tables"""
    when(resize.phase == Phase.OLD)
    resize.phase = Phase.COPYING


@action
def copy_read(k: Key) -> None:
    """value = old[k]"""
    when(resize.phase == Phase.COPYING, ~resize.busy, ~k.copied)
    resize.busy = True
    resize.key = k
    resize.value = k.old


@action
def copy_write() -> None:
    """new[k] = value"""
    when(resize.busy)
    resize.key.new = resize.value
    resize.key.copied = True
    resize.busy = False


@action
def copy(k: Key) -> None:
    """with lock: new[k] = old[k]"""
    when(resize.phase == Phase.COPYING, ~k.copied)
    k.new = k.old
    k.copied = True


@action
def switch() -> None:
    """from now on, loads and stores go to the new table"""
    when(resize.phase == Phase.COPYING, ~resize.busy, forall(Key, lambda k: k.copied))
    resize.phase = Phase.NEW


@invariant("the table that is read has what was stored last")
def contents() -> Bool:
    """Until the switch the old table has the contents of every key, from then on the new one."""
    return forall(Key, lambda k: k.contents == If(resize.phase == Phase.NEW, k.new, k.old))


@invariant("a copied key stays copied")
def copies_agree() -> Bool:
    """During the copy, both tables agree on every key that was copied."""
    return implies(resize.phase == Phase.COPYING, forall(Key, lambda k: implies(k.copied, k.new == k.old)))


@invariant("nothing is copied before the start")
def copied_later() -> Bool:
    """Before the start no key is copied, and the copier is busy only during the copy."""
    return all_of(
        implies(resize.phase == Phase.OLD, forall(Key, lambda k: ~k.copied)),
        implies(resize.busy, resize.phase == Phase.COPYING),
    )


def resized_by(name: str, *copying: Action) -> System:
    return system(
        name,
        scope="all keys and values; a store is one step",
        state=(Value, Key, Resize),
        initial=initial,
        actions=(store, load, start, *copying, switch),
        invariants=(contents, copies_agree, copied_later),
    )


WRONG = resized_by("resize, a key in two steps", copy_read, copy_write)
RIGHT = resized_by("resize, a key in one step", copy)
BOUNDS = (Bound({"Value": 2, "Key": 1}, {"store": 2}),)
