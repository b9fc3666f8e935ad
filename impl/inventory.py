"""Stock of items that many buyers deduct from at once, and that must never be sold twice: three ways to guard it.

The idea: "is there enough" and "take it" must be one step. `RWMutexInventory` looks under the read lock first, so
that buyers who come too late never wait for each other, and looks again under the write lock, because the stock may
have gone in between: the second look alone is what keeps it from overselling. `MutexInventory` has one critical
section. `CasInventory` has no lock of its own: it computes the new stock and installs it only if the old one is
still there, on any map with a compare-and-swap.

All three answer as if each call happened at one moment ("LP" in a docstring is that moment). Quantities are whole
pieces, at least one (TypeError for what is no int); an item that was never restocked has no stock. What was restocked
is either still there or was deducted, so an order of several items is not offered: only a lock could take all of them
at one moment.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol, TypeAlias

from mapproof.impl.rwmutex_invariants import RWMutexWatch
from mapproof.impl.sync import Mutex, PlainDict, RWMutex
from mapproof.impl.sync_map import SyncMap

Item: TypeAlias = Hashable


class Inventory(Protocol):
    """What each of the inventories offers, to any number of threads. No `quantity` may be less than one."""

    def deduct(self, item: Item, quantity: int) -> bool:
        """Take so many pieces; False, and nothing is taken, if fewer are there."""

    def restock(self, item: Item, quantity: int) -> None:
        """Add so many pieces."""

    def available(self, item: Item) -> int:
        """How many pieces are there."""


class StockMap(Protocol):
    """What `CasInventory` asks of a map; `SyncMap` and `TrieMap` have it."""

    def load(self, key: Any) -> tuple[Any, bool]: ...
    def load_or_store(self, key: Any, value: Any) -> tuple[Any, bool]: ...
    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool: ...
    def range(self) -> list[tuple[Any, Any]]: ...


class RWMutexInventory:
    """One readers-writer lock around one dictionary, and a look before the write lock is asked for."""

    __slots__ = ("mu", "stock")

    def __init__(self) -> None:
        self.mu: Final = RWMutex("mu")
        self.stock: Final[PlainDict[Item, int]] = PlainDict("stock")

    def deduct(self, item: Item, quantity: int) -> bool:
        """Take so many pieces; False, and nothing is taken, if fewer are there.

        LP: the look that showed too few, or the write. Raises ValueError for a quantity that is not positive.
        """
        quantity = _pieces(quantity)
        with self.mu.reading():
            available = self.stock.get(item, 0)
        if available < quantity:
            return False
        with self.mu.writing():
            available = self.stock.get(item, 0)
            if available >= quantity:
                self.stock[item] = available - quantity
                return True
            return False

    def restock(self, item: Item, quantity: int) -> None:
        """Add so many pieces. LP: the write. Raises ValueError for a quantity that is not positive."""
        quantity = _pieces(quantity)
        with self.mu.writing():
            self.stock[item] = self.stock.get(item, 0) + quantity

    def available(self, item: Item) -> int:
        """How many pieces are there. LP: the look."""
        with self.mu.reading():
            pieces: int = self.stock.get(item, 0)
        return pieces

    def check_invariants(self) -> None:
        """Raise AssertionError unless the lock is free and no stock is negative. Only while no thread uses it."""
        if not self.mu.at_rest():
            raise AssertionError("mu is held or waited for, so the inventory is not at rest")
        _refuse_oversold(self.stock.peek())

    def step_invariants(self) -> Callable[[], None]:
        """What to call between any two accesses of any threads; raises AssertionError if mu's words cannot be, a stock
        is negative, or one changed since the last call while no writer had mu for itself."""
        mu = RWMutexWatch(self.mu)
        check_stock = _changes_only_if(
            self.stock, lambda: mu.writer_may_be_inside, "a writer has mu for itself"
        )

        def check() -> None:
            mu.look()
            check_stock()

        return check


class MutexInventory:
    """One lock around one dictionary."""

    __slots__ = ("mu", "stock")

    def __init__(self) -> None:
        self.mu: Final = Mutex("mu")
        self.stock: Final[PlainDict[Item, int]] = PlainDict("stock")

    def deduct(self, item: Item, quantity: int) -> bool:
        """Take so many pieces; False, and nothing is taken, if fewer are there.

        LP: the look that showed too few, or the write. Raises ValueError for a quantity that is not positive.
        """
        quantity = _pieces(quantity)
        with self.mu:
            available = self.stock.get(item, 0)
            if available < quantity:
                return False
            self.stock[item] = available - quantity
            return True

    def restock(self, item: Item, quantity: int) -> None:
        """Add so many pieces. LP: the write. Raises ValueError for a quantity that is not positive."""
        quantity = _pieces(quantity)
        with self.mu:
            self.stock[item] = self.stock.get(item, 0) + quantity

    def available(self, item: Item) -> int:
        """How many pieces are there. LP: the look."""
        with self.mu:
            pieces: int = self.stock.get(item, 0)
        return pieces

    def check_invariants(self) -> None:
        """Raise AssertionError unless the lock is free and no stock is negative. Only while no thread uses it."""
        if self.mu.locked():
            raise AssertionError("mu is held, so the inventory is not at rest")
        _refuse_oversold(self.stock.peek())

    def step_invariants(self) -> Callable[[], None]:
        """What to call between any two accesses of any threads; raises AssertionError if a stock is negative, or
        one changed since the last call while mu was free."""
        return _changes_only_if(self.stock, self.mu.locked, "mu is held")


class CasInventory:
    """No lock of its own: each change is one compare-and-swap in a concurrent map, tried again if another came first.

    A stock that went and came back to the same number meanwhile is the same stock, so the compare cannot be fooled.
    A try fails only because another took effect: somebody always gets on. Items are never removed from the map.
    """

    __slots__ = ("stock",)

    def __init__(self, stock: Callable[[], StockMap] = SyncMap) -> None:
        """`stock` makes the map, which must be empty and is then the inventory's own."""
        self.stock: Final = stock()

    def deduct(self, item: Item, quantity: int) -> bool:
        """Take so many pieces; False, and nothing is taken, if fewer are there.

        LP: the load that showed too few, or the successful compare-and-swap. Raises ValueError for a quantity that
        is not positive.
        """
        quantity = _pieces(quantity)
        while True:
            available, known = self.stock.load(item)
            if not known or available < quantity:
                return False
            if self.stock.compare_and_swap(item, available, available - quantity):
                return True

    def restock(self, item: Item, quantity: int) -> None:
        """Add so many pieces. LP: the load_or_store that stored, or the successful compare-and-swap. Raises ValueError
        for a quantity that is not positive."""
        quantity = _pieces(quantity)
        available, known = self.stock.load_or_store(item, quantity)
        while known and not self.stock.compare_and_swap(item, available, available + quantity):
            available, _ = self.stock.load(item)

    def available(self, item: Item) -> int:
        """How many pieces are there. LP: the load."""
        pieces: int | None = self.stock.load(item)[0]
        return pieces or 0

    def check_invariants(self) -> None:
        """Raise AssertionError if a stock is negative or the map is not right. Only while no thread uses it."""
        if (of_map := getattr(self.stock, "check_invariants", None)) is not None:
            of_map()
        _refuse_oversold(dict(self.stock.range()))

    def step_invariants(self) -> Callable[[], None]:
        """The map's own, if it has some: nothing else is to be seen without its operations."""
        of_map: Callable[[], Callable[[], None]] = getattr(
            self.stock, "step_invariants", lambda: lambda: None
        )
        return of_map()


def _pieces(quantity: int) -> int:
    """As an int of Python's own, which does not overflow: a fraction is no piece, and a NaN would never be too many."""
    pieces = operator.index(quantity)
    if pieces < 1:
        raise ValueError(f"quantity must be at least 1, not {pieces}")
    return pieces


def _refuse_oversold(stock: dict[Item, int]) -> None:
    for item, pieces in stock.items():
        if pieces < 0:
            raise AssertionError(f"{item!r} is oversold: its stock is {pieces}")


def _changes_only_if(
    stock: PlainDict[Item, int], held: Callable[[], bool], condition: str
) -> Callable[[], None]:
    """The check of a guarded stock. Who writes stops once more before it unlocks, so a change shows while `held()`.
    Nothing is said of what changed before the first check."""
    seen: dict[Item, int] | None = None

    def check() -> None:
        nonlocal seen
        now = stock.peek()
        if now != seen:
            if seen is not None and not held():
                raise AssertionError(
                    f"the stock went from {seen} to {now}, but changes only while {condition}"
                )
            _refuse_oversold(now)
            seen = dict(now)

    return check
