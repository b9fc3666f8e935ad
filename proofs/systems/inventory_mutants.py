"""The inventory with one line wrong, again and again; the first is what is left when the second look is dropped.

The idea: each mutant is the step in which its line stands, written again. That the first look can be dropped is
shown too: it saves waiting, and no answer depends on it.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant, Statement
from mapproof.proofs.systems.inventory import (
    INVENTORY,
    PC,
    Item,
    Op,
    Thread,
    conserved,
    exclusive,
    look,
    mu,
    never_negative,
    reading,
    seen_under_lock,
    there,
    truthful,
)
from mapproof.proofs.terms import If, any_of, claim, forall, one_of, when
from mapproof.proofs.transition_system import Action, action


@action(name="second_look")
def _no_second_look(t: Thread) -> None:
    """self.stock[item] -= quantity, whatever is there under the write lock"""
    when(t.pc == PC.LOOK_AGAIN)
    look(t)
    t.pc = PC.WRITE


@action(name="second_look")
def _only_the_first_counts(t: Thread) -> None:
    """deduct does not look again: self.stock[item] = available - quantity, of the first look"""
    when(t.pc == PC.LOOK_AGAIN)
    t.available = If(t.op == Op.RESTOCK, t.item.stock, t.available)
    t.pc = PC.WRITE


@action(name="second_look")
def _more_than_enough(t: Thread) -> None:
    """available > quantity in place of available >= quantity"""
    when(t.pc == PC.LOOK_AGAIN)
    look(t)
    t.pc = If(any_of(t.op == Op.RESTOCK, t.item.stock > t.quantity), PC.WRITE, PC.UNLOCK)


@action(name="lock")
def _deduct_without_lock(t: Thread) -> None:
    """self.mu.lock() is missing in deduct"""
    free = ~mu.writing & forall(Thread, lambda u: ~reading(u))
    when(t.pc == PC.LOCK, any_of(t.op == Op.DEDUCT, free))
    mu.writing = any_of(mu.writing, t.op == Op.RESTOCK)
    mu.writer = If(t.op == Op.RESTOCK, t, mu.writer)
    t.pc = PC.LOOK_AGAIN


@action(name="lock")
def _lock_lets_writers_in(t: Thread) -> None:
    """self.mu.rlock() in place of self.mu.lock(): the second look and the write are made beside others"""
    when(t.pc == PC.LOCK)
    mu.writing = True
    mu.writer = t
    t.pc = PC.LOOK_AGAIN


@action(name="rlock")
def _first_look_unlocked(t: Thread) -> None:
    """self.mu.rlock() is missing"""
    when(t.pc == PC.RLOCK)
    t.pc = PC.LOOK


@action(name="deduct")
def _stock_is_not_written(t: Thread) -> None:
    """self.stock[item] = available - quantity is missing"""
    when(t.pc == PC.WRITE, t.op == Op.DEDUCT)
    claim("no more is sold than is there", t.quantity <= there(t.item))
    t.item.sold = t.item.sold + t.quantity
    t.answer = True
    t.done = True
    t.pc = PC.UNLOCK


@action(name="deduct")
def _one_piece_too_many(t: Thread) -> None:
    """self.stock[item] = available - quantity - 1"""
    when(t.pc == PC.WRITE, t.op == Op.DEDUCT)
    claim("no more is sold than is there", t.quantity <= there(t.item))
    t.item.stock = t.available - t.quantity - 1
    t.item.sold = t.item.sold + t.quantity
    t.answer = True
    t.done = True
    t.pc = PC.UNLOCK


@action(name="invoke")
def _no_first_look(t: Thread, op: Op, i: Item) -> None:
    """deduct asks for the write lock at once"""
    when(t.pc == PC.IDLE)
    t.pc = If(one_of(op, Op.RESTOCK, Op.DEDUCT), PC.LOCK, PC.RLOCK)
    t.op = op
    t.item = i
    t.answer = False
    t.done = False
    t.short = False


TWO_CALLS = Bound({"Item": 1, "Thread": 2}, {"invoke": 2})
THREE_CALLS = Bound({"Item": 1, "Thread": 2}, {"invoke": 3})
"""A restock of one piece, and two buyers of it."""


def _mutant(name: str, replaced: Action, *, breaks: Statement | None, bound: Bound) -> Mutant:
    fault = Fault.EQUIVALENT if breaks is None else Fault.WRONG_ANSWER
    return Mutant(name, INVENTORY, (replaced,), breaks, fault, bound)


MUTANTS = (
    _mutant("deduct does not check again", _no_second_look, breaks=seen_under_lock, bound=THREE_CALLS),
    _mutant(
        "deduct takes from what it saw first",
        _only_the_first_counts,
        breaks=seen_under_lock,
        bound=THREE_CALLS,
    ),
    _mutant("deduct asks for one piece more", _more_than_enough, breaks=truthful, bound=TWO_CALLS),
    _mutant("deduct takes no lock", _deduct_without_lock, breaks=exclusive, bound=THREE_CALLS),
    _mutant("writers share the lock", _lock_lets_writers_in, breaks=exclusive, bound=TWO_CALLS),
    _mutant("the first look takes no lock", _first_look_unlocked, breaks=exclusive, bound=TWO_CALLS),
    _mutant("deduct does not write the stock", _stock_is_not_written, breaks=conserved, bound=THREE_CALLS),
    _mutant("deduct takes one piece too many", _one_piece_too_many, breaks=never_negative, bound=THREE_CALLS),
    _mutant("deduct does not look first", _no_first_look, breaks=None, bound=THREE_CALLS),
)

CHAPTER = Chapter(INVENTORY, MUTANTS, (THREE_CALLS, Bound({"Item": 2, "Thread": 3}, {"invoke": 3})))
