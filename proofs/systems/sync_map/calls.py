"""The calls of sync.Map: the first state, the call of an operation, and what its answer must be.

The idea: an answer is right if the operation took effect exactly once, on what it says that it found, or
changed nothing and says of its key what was true at some moment of the call. The claims in `answer` spell that
out for each operation; together they are linearizability.
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.parts import does, equals, is_value
from mapproof.proofs.systems.sync_map.state import (
    PC,
    Entry,
    EntryMap,
    Key,
    Op,
    Pointer,
    Thread,
    Value,
    first_map,
    m,
    nil,
    nil_map,
)
from mapproof.proofs.terms import Bool, If, all_of, claim, everywhere, implies, one_of, when
from mapproof.proofs.transition_system import action, actions_in


@action
def initial() -> None:
    """An empty map, and no operation under way."""
    m.read = first_map
    m.amended = False
    m.dirty = nil_map
    m.misses = 0
    m.mu_held = False
    everywhere(EntryMap.published, lambda table: table == first_map)
    everywhere(EntryMap.allocated, lambda table: one_of(table, first_map, nil_map))
    everywhere(EntryMap.has, lambda table, k: False)
    everywhere(EntryMap.length, lambda table: 0)
    everywhere(Entry.allocated, lambda e: False)
    everywhere(Entry.detached, lambda e: False)
    everywhere(Entry.cleared, lambda e: False)
    everywhere(Key.contents, lambda k: nil)
    everywhere(Thread.pc, lambda t: PC.IDLE)


def stores(op: Op) -> Bool:
    """The operation has a value to store."""
    return one_of(op, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP)


def compares(op: Op) -> Bool:
    """The operation has a value to compare with."""
    return one_of(op, Op.COMPARE_AND_SWAP, Op.COMPARE_AND_DELETE)


@action
def invoke(t: Thread, op: Op, k: Key, v: Pointer, old: Value) -> None:
    """A call; v is the new value, nil where the operation has none, and old what it compares with"""
    when(t.pc == PC.IDLE, If(stores(op), is_value(v), v == nil))
    t.pc = PC.READ
    t.op = op
    t.key = k
    t.value = v
    t.old = If(compares(op), old, t.old)
    t.found = False
    t.in_dirty = False
    t.result = nil
    t.ok = False
    t.done = False
    everywhere(Thread.seen, lambda u, x: If(u == t, x == k.contents, u.seen[x]))
    everywhere(Thread.overlaps, lambda u, e: all_of(u != t, u.overlaps[e]))


def changed(t: Thread, *conditions: Bool) -> Bool:
    """The operation took effect, on a key that held what the conditions say."""
    return all_of(t.done, *conditions)


def changed_nothing(t: Thread, *conditions: Bool) -> Bool:
    """The operation took no effect, and its result is what the key held at some moment of the call."""
    return all_of(~t.done, t.seen[t.result], *conditions)


def compared_rightly(t: Thread) -> Bool:
    """True, and the key held the old value when it took effect; or false, and it held something else."""
    return If(t.ok, changed(t, equals(t.taken, t.old)), changed_nothing(t, ~equals(t.result, t.old)))


def rules(t: Thread) -> dict[str, Bool]:
    """What the answer of each operation must be, in words and as a formula."""
    return {
        "a load answers with what the key held at some moment of the call": implies(
            does(t, Op.LOAD), changed_nothing(t)
        ),
        "a swap takes effect, and answers with the value that it replaced": implies(
            does(t, Op.SWAP), changed(t, t.result == t.taken)
        ),
        "a load-or-store answers with a value that the key held, or stores where there was none": implies(
            does(t, Op.LOAD_OR_STORE),
            If(t.ok, changed_nothing(t, is_value(t.result)), changed(t, t.taken == nil)),
        ),
        "a delete removes the value that it answers with, or the key was absent at some moment": implies(
            does(t, Op.LOAD_AND_DELETE),
            If(t.result == nil, changed_nothing(t), changed(t, t.result == t.taken)),
        ),
        "a compare-and-swap replaces the old value, or the key did not hold it at some moment": implies(
            does(t, Op.COMPARE_AND_SWAP), compared_rightly(t)
        ),
        "a compare-and-delete removes the old value, or the key did not hold it at some moment": implies(
            does(t, Op.COMPARE_AND_DELETE), compared_rightly(t)
        ),
        "a range visits its key with what it held, or leaves it out, as was right at some moment": implies(
            does(t, Op.RANGE), changed_nothing(t)
        ),
        "a clear takes effect": implies(does(t, Op.CLEAR), changed(t)),
    }


@action
def answer(t: Thread) -> None:
    """return"""
    when(t.pc == PC.RETURN)
    for title, rule in rules(t).items():
        claim(title, rule)
    t.pc = PC.IDLE


CALL_STEPS = actions_in(globals())
