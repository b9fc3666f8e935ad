"""`RWMutexInventory` (impl/inventory.py) as a transition system: what is sold was there, whoever buys at once.

The idea: a buyer looks under the read lock, which keeps those who come too late away from the write lock, and looks
again under the write lock, because the stock may have gone in between. The stock of an item is at every moment what
was restocked less what was sold; so "never negative" is "never oversold".

The lock is what `rwmutex` shows of it: a writer inside is alone. Any number of items, of threads and of pieces. A
thread has one quantity all its life, which is any positive number; as there are any number of threads, calls of
any quantities meet. The claims speak of the moment at which a call takes effect ("LP" in the code).
"""

from __future__ import annotations

from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Field,
    Globals,
    If,
    Int,
    Sort,
    all_of,
    any_of,
    claim,
    everywhere,
    forall,
    implies,
    one_of,
    when,
)
from mapproof.proofs.transition_system import action, actions_in, invariant, invariants_in, system
from mapproof.proofs.tree import Constant


class Op(Enumeration):
    """The operation that a thread is in."""

    DEDUCT: Op
    RESTOCK: Op
    AVAILABLE: Op


class PC(Enumeration):
    """What a thread does next."""

    IDLE: PC
    RLOCK: PC
    LOOK: PC
    RUNLOCK: PC
    LOCK: PC
    LOOK_AGAIN: PC
    WRITE: PC
    UNLOCK: PC
    RETURN: PC


class Item(Sort):
    """What is sold."""

    stock = Field(Int)
    restocked = Field(Int, ghost=True)  # all pieces that were ever added
    sold = Field(Int, ghost=True)  # all pieces that were ever taken


class Thread(Sort):
    """A thread and its local variables."""

    pc = Field(PC)
    op = Field(Op)
    item = Field(Item)
    quantity = Field(Int)  # the same in all its calls
    available = Field(Int)
    answer = Field(Bool)  # of deduct
    done = Field(Bool, ghost=True)  # the call has taken effect
    short = Field(Bool, ghost=True)  # at some moment of the call fewer pieces than asked for were there


class Mu(Globals, prefix="mu"):
    """The lock. Readers inside are those at LOOK and RUNLOCK."""

    writing = Field(Bool)
    writer = Field(Thread)


mu = Mu()
STATE = (Item, Thread, Mu)

ONE = Int(Constant(Int, 1))
"""Every quantity on plain values, where what is left open is 0."""


def at(t: Thread, *places: PC) -> Bool:
    """Thread t is at one of these places."""
    return one_of(t.pc, *places)


def reading(t: Thread) -> Bool:
    """Thread t holds the read lock."""
    return at(t, PC.LOOK, PC.RUNLOCK)


def there(item: Item) -> Int:
    """How many pieces there should be."""
    return item.restocked - item.sold


def look(t: Thread) -> None:
    """available = self.stock.get(item, 0), and what it is worth"""
    claim("a call sees what was restocked less what was sold", t.item.stock == there(t.item))
    t.available = t.item.stock
    t.short = any_of(t.short, there(t.item) < t.quantity)


# ------------------------------------------------------------------------------------------------ the steps


@action
def initial() -> None:
    """No item was ever restocked, and nobody calls."""
    everywhere(Item.stock, lambda i: 0)
    everywhere(Item.restocked, lambda i: 0)
    everywhere(Item.sold, lambda i: 0)
    everywhere(Thread.pc, lambda t: PC.IDLE)
    everywhere(Thread.quantity, lambda t: If(t.quantity > 0, t.quantity, ONE))
    mu.writing = False


@action
def invoke(t: Thread, op: Op, i: Item) -> None:
    """A call of deduct(i, quantity), restock(i, quantity) or available(i)"""
    when(t.pc == PC.IDLE)
    t.pc = If(op == Op.RESTOCK, PC.LOCK, PC.RLOCK)
    t.op = op
    t.item = i
    t.answer = False
    t.done = False
    t.short = False


@action
def rlock(t: Thread) -> None:
    """self.mu.rlock()"""
    when(t.pc == PC.RLOCK, ~mu.writing)
    t.pc = PC.LOOK


@action
def first_look(t: Thread) -> None:
    """available = self.stock.get(item, 0), under the read lock"""
    when(t.pc == PC.LOOK)
    claim("nobody looks while another may write", ~mu.writing)
    look(t)
    t.pc = PC.RUNLOCK


@action
def runlock(t: Thread) -> None:
    """self.mu.runlock(); deduct goes on unless available < quantity"""
    when(t.pc == PC.RUNLOCK)
    t.pc = If(all_of(t.op == Op.DEDUCT, t.available >= t.quantity), PC.LOCK, PC.RETURN)


@action
def lock(t: Thread) -> None:
    """self.mu.lock()"""
    when(t.pc == PC.LOCK, ~mu.writing, forall(Thread, lambda u: ~reading(u)))
    mu.writing = True
    mu.writer = t
    t.pc = PC.LOOK_AGAIN


@action
def second_look(t: Thread) -> None:
    """available = self.stock.get(item, 0), under the write lock; restock goes on, deduct if available >= quantity"""
    when(t.pc == PC.LOOK_AGAIN)
    look(t)
    t.pc = If(any_of(t.op == Op.RESTOCK, t.item.stock >= t.quantity), PC.WRITE, PC.UNLOCK)


@action
def deduct(t: Thread) -> None:
    """self.stock[item] = available - quantity"""
    when(t.pc == PC.WRITE, t.op == Op.DEDUCT)
    claim("no more is sold than is there", t.quantity <= there(t.item))
    t.item.stock = t.available - t.quantity
    t.item.sold = t.item.sold + t.quantity
    t.answer = True
    t.done = True
    t.pc = PC.UNLOCK


@action
def restock(t: Thread) -> None:
    """self.stock[item] = available + quantity"""
    when(t.pc == PC.WRITE, t.op == Op.RESTOCK)
    t.item.stock = t.available + t.quantity
    t.item.restocked = t.item.restocked + t.quantity
    t.done = True
    t.pc = PC.UNLOCK


@action
def unlock(t: Thread) -> None:
    """self.mu.unlock()"""
    when(t.pc == PC.UNLOCK)
    mu.writing = False
    t.pc = PC.RETURN


@action
def returns(t: Thread) -> None:
    """return"""
    when(t.pc == PC.RETURN)
    claim("a restock has taken effect", implies(t.op == Op.RESTOCK, t.done))
    claim("a deduct that answers True has taken effect", implies(all_of(t.op == Op.DEDUCT, t.answer), t.done))
    claim(
        "a deduct that answers False has taken nothing, and fewer pieces were there at some moment of the call",
        implies(all_of(t.op == Op.DEDUCT, ~t.answer), ~t.done, t.short),
    )
    t.pc = PC.IDLE


# ------------------------------------------------------------------------------------------------ the invariant


@invariant("the stock is what was restocked less what was sold")
def conserved() -> Bool:
    """No piece is lost, and none is made."""
    return forall(Item, lambda i: i.stock == there(i))


@invariant("no stock is negative")
def never_negative() -> Bool:
    """What was sold was there."""
    return forall(Item, lambda i: i.stock >= 0)


@invariant("one writer at a time, and no reader with it")
def exclusive() -> Bool:
    """A thread is between lock and unlock exactly when it holds the lock; then nobody is between rlock and runlock."""
    inside = (PC.LOOK_AGAIN, PC.WRITE, PC.UNLOCK)
    return forall(
        Thread,
        lambda t: all_of(
            at(t, *inside) == all_of(mu.writing, mu.writer == t), implies(mu.writing, ~reading(t))
        ),
    )


@invariant("who writes has seen the stock as it is")
def seen_under_lock() -> Bool:
    """From the second look to the write the stock stays as it was seen, which is enough for a deduct; quantities
    are positive."""
    return forall(
        Thread,
        lambda t: all_of(
            t.quantity > 0,
            implies(t.pc == PC.WRITE, t.available == t.item.stock),
            implies(all_of(t.pc == PC.WRITE, t.op == Op.DEDUCT), t.available >= t.quantity),
        ),
    )


@invariant("a call answers what it has done")
def truthful() -> Bool:
    """Until it writes a call has done nothing; past that a deduct answers whether it has, and gives up only if fewer
    pieces were there; a restock has."""
    before = (PC.RLOCK, PC.LOOK, PC.RUNLOCK, PC.LOCK, PC.LOOK_AGAIN, PC.WRITE)
    past = (PC.UNLOCK, PC.RETURN)
    return forall(
        Thread,
        lambda t: all_of(
            implies(at(t, *before), ~t.done, ~t.answer),
            implies(all_of(at(t, *past), t.op == Op.DEDUCT), t.done == t.answer, any_of(t.done, t.short)),
            implies(all_of(at(t, *past), t.op == Op.RESTOCK), t.done),
            implies(
                all_of(t.pc == PC.RUNLOCK, t.op == Op.DEDUCT), any_of(t.available >= t.quantity, t.short)
            ),
            implies(at(t, PC.RLOCK, PC.LOOK, PC.RUNLOCK), t.op != Op.RESTOCK),
        ),
    )


INVENTORY = system(
    "RWMutexInventory",
    scope="all items, threads and quantities; sequentially consistent",
    state=STATE,
    initial=initial,
    actions=actions_in(globals()),
    invariants=invariants_in(globals()),
)
