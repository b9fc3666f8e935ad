"""A rehash whose cursor takes no lock, and so needs tombstones: another algorithm than that of `impl/`.

The idea: a cursor that loads a key here and stores it there without a lock may have loaded what a writer has
replaced since. If it only fills gaps, a newer value stands in its way; a deletion must leave something there
that stands in its way too: a tombstone, which reads as absent. Without it a deleted key comes back.

Writers still take a lock, of their key here, and readers none. The shard is one, its new shards are taken together
(`new`), and after the switch nothing moves again. PC and the line of code that it stands for are in the actions:
there is no such code in `impl/`.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant
from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Field,
    Globals,
    If,
    Sort,
    Table,
    all_of,
    any_of,
    claim,
    everywhere,
    forall,
    implies,
    one_of,
    when,
)
from mapproof.proofs.transition_system import (
    Action,
    Invariant,
    action,
    actions_in,
    invariant,
    invariants_in,
    system,
)

# ------------------------------------------------------------------------------------------------ state


class Value(Sort):
    """What a bin can have for a key."""


absent = Value.element("absent")
tombstone = Value.element("tombstone")


class Stage(Enumeration):
    """How far the migration is."""

    BEFORE: Stage
    MIGRATING: Stage  # writes are made twice
    SWITCHED: Stage  # the new shards own the keys


class Key(Sort):
    """A key of the map."""

    old = Field(Value)  # in the old shard
    new = Field(Value)  # in its new shard
    copied = Field(Bool)  # the cursor has done it
    locked = Field(Bool)
    contents = Field(Value, ghost=True)  # what the abstract map holds for the key
    torn = Field(Bool, ghost=True)  # its writer is between its two stores


class PC(Enumeration):
    """What a thread does next."""

    IDLE: PC
    READ_ROUTE: PC
    READ_BIN: PC
    LOCK: PC
    WRITE_OLD: PC
    WRITE_NEW: PC
    UNLOCK: PC
    RETURN: PC


class Thread(Sort):
    """A thread and its local variables."""

    pc = Field(PC)
    key = Field(Key)
    writes = Field(Bool)  # the operation is a store or a delete, not a load
    value = Field(Value)  # what it writes; absent to delete
    stage = Field(Stage)  # as it found it
    found = Field(Value)
    seen = Table(Value, Bool, ghost=True)  # the key has held this at some moment of the call
    done = Field(Bool, ghost=True)  # the operation has taken effect on the abstract map


class Migration(Globals, prefix="m"):
    """The migration and its cursor."""

    stage = Field(Stage)
    loaded = Field(Bool)  # the cursor is between its load and its store
    key = Field(Key)  # what it is at
    value = Field(Value)  # what it has loaded


m = Migration()
STATE = (Value, Key, Thread, Migration)


def as_read(value: Value) -> Value:
    """A tombstone reads as absent."""
    return If(value == tombstone, absent, value)


def as_deleted(value: Value) -> Value:
    """What is stored in a new shard: a tombstone for a deletion."""
    return If(value == absent, tombstone, value)


# ------------------------------------------------------------------------------------------------ steps


@action
def initial() -> None:
    """An empty shard, and no operation under way."""
    m.stage = Stage.BEFORE
    m.loaded = False
    everywhere(Key.old, lambda k: absent)
    everywhere(Key.new, lambda k: absent)
    everywhere(Key.copied, lambda k: False)
    everywhere(Key.locked, lambda k: False)
    everywhere(Key.torn, lambda k: False)
    everywhere(Key.contents, lambda k: absent)
    everywhere(Thread.pc, lambda t: PC.IDLE)


@action
def invoke(t: Thread, k: Key, writes: Bool, value: Value) -> None:
    """A call of load(k), store(k, value), or delete(k), whose value is absent"""
    when(t.pc == PC.IDLE, value != tombstone)
    t.key = k
    t.writes = writes
    t.value = value
    t.done = False
    t.pc = If(writes, PC.LOCK, PC.READ_ROUTE)
    everywhere(Thread.seen, lambda u, x: If(u == t, x == k.contents, u.seen[x]))


@action
def answer(t: Thread) -> None:
    """return"""
    when(t.pc == PC.RETURN)
    claim(
        "a load answers with what the key held at some moment of the call",
        implies(~t.writes, t.seen[t.found]),
    )
    claim("a write takes effect exactly once", implies(t.writes, t.done))
    t.pc = PC.IDLE


@action
def read_route(t: Thread) -> None:
    """the route, and with it the shard"""
    when(t.pc == PC.READ_ROUTE)
    t.stage = m.stage
    t.pc = PC.READ_BIN


@action
def read_bin(t: Thread) -> None:
    """the bin of that shard"""
    when(t.pc == PC.READ_BIN)
    t.found = as_read(If(t.stage == Stage.SWITCHED, t.key.new, t.key.old))
    t.pc = PC.RETURN


@action
def lock(t: Thread) -> None:
    """the lock, and under it the stage"""
    when(t.pc == PC.LOCK, ~t.key.locked)
    t.key.locked = True
    t.stage = m.stage
    t.pc = If(m.stage == Stage.SWITCHED, PC.WRITE_NEW, PC.WRITE_OLD)


def take_effect(t: Thread) -> None:
    """The linearization point of a write."""
    claim("a write takes effect exactly once", ~t.done)
    t.done = True
    t.key.contents = t.value
    everywhere(Thread.seen, lambda u, x: any_of(u.seen[x], all_of(u.key == t.key, x == t.value)))


@action
def write_old(t: Thread) -> None:
    """the store to the old shard, where the write takes effect"""
    when(t.pc == PC.WRITE_OLD)
    take_effect(t)
    t.key.old = t.value
    t.key.torn = t.stage == Stage.MIGRATING
    t.pc = If(t.stage == Stage.MIGRATING, PC.WRITE_NEW, PC.UNLOCK)


def second_store(t: Thread, stored: Value) -> None:
    """The second of two stores."""
    when(t.pc == PC.WRITE_NEW, t.stage == Stage.MIGRATING)
    t.key.new = stored
    t.key.torn = False
    t.pc = PC.UNLOCK


@action
def write_new(t: Thread) -> None:
    """the second store, to the new shard; a deletion leaves a tombstone"""
    second_store(t, as_deleted(t.value))


@action
def write_owner(t: Thread) -> None:
    """the store to the new shard, which is the owner"""
    when(t.pc == PC.WRITE_NEW, t.stage == Stage.SWITCHED)
    take_effect(t)
    t.key.new = as_deleted(t.value)
    t.pc = PC.UNLOCK


@action
def unlock(t: Thread) -> None:
    """the lock is given back"""
    when(t.pc == PC.UNLOCK)
    t.key.locked = False
    t.pc = PC.RETURN


def nobody_writes() -> Bool:
    """No lock is held."""
    return forall(Key, lambda k: ~k.locked)


@action
def begin() -> None:
    """migrating 1, when every lock has been free once"""
    when(m.stage == Stage.BEFORE, nobody_writes())
    m.stage = Stage.MIGRATING


@action
def cursor_load(k: Key) -> None:
    """the cursor loads a key of the old shard: no lock"""
    when(m.stage == Stage.MIGRATING, ~m.loaded, ~k.copied)
    m.loaded = True
    m.key = k
    m.value = k.old


def stored_by_cursor(value: Value) -> None:
    """The cursor's store, and on to the next key."""
    when(m.loaded)
    m.key.new = value
    m.key.copied = True
    m.loaded = False


@action
def cursor_store() -> None:
    """the cursor stores what it has loaded, if nothing is there: a compare-and-swap with the empty place"""
    stored_by_cursor(If(m.key.new == absent, m.value, m.key.new))


def all_copied() -> Bool:
    """The cursor is at its end."""
    return all_of(~m.loaded, forall(Key, lambda k: k.copied))


@action
def switch() -> None:
    """migrating 0, while all locks are held"""
    when(m.stage == Stage.MIGRATING, all_copied(), nobody_writes())
    m.stage = Stage.SWITCHED


STEPS = actions_in(globals())

# ------------------------------------------------------------------------------------------------ invariant


def under_lock(t: Thread) -> Bool:
    """t has the lock of its key."""
    return one_of(t.pc, PC.WRITE_OLD, PC.WRITE_NEW, PC.UNLOCK)


@invariant("one writer at a time has a key")
def locks() -> Bool:
    """Who is between lock and unlock has the lock, no one else is there with that key, and the stage stands still."""
    return all_of(
        forall(Thread, lambda t: implies(under_lock(t), t.key.locked, t.stage == m.stage, t.writes)),
        forall(
            Thread, Thread, lambda t, u: implies(all_of(under_lock(t), under_lock(u), t.key == u.key), t == u)
        ),
    )


@invariant("the map holds what its operations put there")
def contents() -> Bool:
    """The abstract value of a key is what its owner holds."""
    return forall(Key, lambda k: k.contents == If(m.stage == Stage.SWITCHED, as_read(k.new), k.old))


@invariant("a key that was copied stays equal")
def agreement() -> Bool:
    """While migrating the new shard reads as the old one, or has nothing and is not copied yet; before, it is empty.
    A key between its two stores is left out."""
    return forall(
        Key,
        lambda k: all_of(
            implies(m.stage == Stage.BEFORE, k.new == absent, ~k.copied),
            implies(
                all_of(m.stage == Stage.MIGRATING, ~k.torn),
                any_of(as_read(k.new) == k.old, all_of(k.new == absent, ~k.copied)),
            ),
        ),
    )


@invariant("what the cursor holds is new, or has something in its way")
def cursor_is_harmless() -> Bool:
    """What it has loaded the key still holds, or the new shard is not empty, or is about to be written."""
    return implies(
        m.loaded,
        m.stage == Stage.MIGRATING,
        any_of(m.value == m.key.old, m.key.new != absent, m.key.torn),
    )


@invariant("tombstones are in new shards only")
def no_tombstone_in_old() -> Bool:
    """The old shard, the cursor and the arguments have no tombstone."""
    return all_of(
        forall(Key, lambda k: k.old != tombstone),
        forall(Thread, lambda t: implies(t.pc != PC.IDLE, t.value != tombstone)),
        implies(m.loaded, m.value != tombstone),
    )


@invariant("a key is torn while its writer is between its stores")
def torn_keys() -> Bool:
    """Then it is locked while migrating, and its writer is about to store the second time."""
    return all_of(
        forall(Key, lambda k: implies(k.torn, k.locked, m.stage == Stage.MIGRATING)),
        forall(Thread, lambda t: implies(all_of(under_lock(t), t.key.torn), t.pc == PC.WRITE_NEW)),
    )


@invariant("a writer writes where its key is owned")
def writers() -> Bool:
    """It writes to the old shard until the switch, has taken effect when it is past its first store, and the second
    one brings what the first one brought."""

    def of(t: Thread) -> Bool:
        second = all_of(t.pc == PC.WRITE_NEW, m.stage == Stage.MIGRATING)
        return all_of(
            implies(one_of(t.pc, PC.READ_ROUTE, PC.READ_BIN), ~t.writes),
            implies(t.pc == PC.LOCK, t.writes, ~t.done),
            implies(t.pc == PC.WRITE_OLD, ~t.done, m.stage != Stage.SWITCHED),
            implies(second, t.done, t.key.old == t.value),
            implies(all_of(t.pc == PC.WRITE_NEW, m.stage != Stage.MIGRATING), ~t.done),
            implies(any_of(t.pc == PC.UNLOCK, all_of(t.pc == PC.RETURN, t.writes)), t.done),
        )

    return forall(Thread, of)


@invariant("what a reader will find is right")
def readers() -> Bool:
    """A running operation has seen the present value; a reader with an old route, what the old shard has held since."""
    return forall(
        Thread,
        lambda t: all_of(
            implies(t.pc != PC.IDLE, t.seen[t.key.contents]),
            implies(all_of(t.pc == PC.READ_BIN, t.stage != Stage.SWITCHED), t.seen[t.key.old]),
            implies(all_of(t.pc == PC.READ_BIN, t.stage == Stage.SWITCHED), m.stage == Stage.SWITCHED),
            implies(all_of(t.pc == PC.RETURN, ~t.writes), t.seen[t.found]),
        ),
    )


TOMBSTONE_REHASH = system(
    "rehash with tombstones",
    scope="all keys, values and threads; one migration, whose cursor takes no lock; sequentially consistent",
    state=STATE,
    initial=initial,
    actions=STEPS,
    invariants=invariants_in(globals()),
    background=(contents, readers),
)

# ------------------------------------------------------------------------------------------------ mutants


@action(name="write_new")
def _no_tombstone(t: Thread) -> None:
    """the second store; a deletion leaves nothing"""
    second_store(t, t.value)


@action(name="cursor_store")
def _cursor_overwrites() -> None:
    """the cursor stores what it has loaded, whatever is there"""
    stored_by_cursor(m.value)


@action(name="write_old")
def _old_only(t: Thread) -> None:
    """the store to the old shard, and no other"""
    when(t.pc == PC.WRITE_OLD)
    take_effect(t)
    t.key.old = t.value
    t.pc = PC.UNLOCK


@action(name="switch")
def _switch_between_stores() -> None:
    """migrating 0, whoever holds a lock"""
    when(m.stage == Stage.MIGRATING, all_copied())
    m.stage = Stage.SWITCHED


@action(name="switch")
def _switch_early() -> None:
    """migrating 0, before the cursor is at its end"""
    when(m.stage == Stage.MIGRATING, ~m.loaded, nobody_writes())
    m.stage = Stage.SWITCHED


@action(name="read_bin")
def _read_tombstone(t: Thread) -> None:
    """the bin of that shard, where a tombstone is taken for a value"""
    when(t.pc == PC.READ_BIN)
    t.found = If(t.stage == Stage.SWITCHED, t.key.new, t.key.old)
    t.pc = PC.RETURN


@action(name="begin")
def _begin_at_once() -> None:
    """migrating 1, whoever holds a lock"""
    when(m.stage == Stage.BEFORE)
    m.stage = Stage.MIGRATING


def bound(threads: int, calls: int) -> Bound:
    """One key, one value beside absent and the tombstone, so many threads and calls."""
    return Bound({"Value": 3, "Key": 1, "Thread": threads}, {"invoke": calls})


def _mutant(name: str, replaced: Action, breaks: Invariant, calls: int, *, threads: int = 1) -> Mutant:
    return Mutant(name, TOMBSTONE_REHASH, (replaced,), breaks, Fault.WRONG_ANSWER, bound(threads, calls))


NO_TOMBSTONE = _mutant("a deletion leaves no tombstone", _no_tombstone, cursor_is_harmless, 3)

MUTANTS = (
    NO_TOMBSTONE,
    _mutant("the cursor overwrites", _cursor_overwrites, agreement, 2),
    _mutant("writers write to the old shard only", _old_only, agreement, 2),
    _mutant("the switch comes between two stores", _switch_between_stores, locks, 2, threads=2),
    _mutant("the switch comes early", _switch_early, contents, 2),
    _mutant("a tombstone is read as a value", _read_tombstone, readers, 3),
    _mutant("a migration begins between lock and unlock", _begin_at_once, locks, 3, threads=2),
)
"""All of them; the first one is what tombstones are for."""

CHAPTER = Chapter(TOMBSTONE_REHASH, MUTANTS, (bound(1, 3), bound(2, 3)))
