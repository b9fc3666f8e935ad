"""One state for all that differ only in which thread, key or other unnamed element is which.

The idea: a system cannot tell its unnamed elements apart, so what can be reached from a state can be reached from
every renaming of it, renamed. Of each such orbit one state is explored. To find it fast, the elements of a sort are
ordered by a signature, what a state says of an element without naming another unnamed one; only among elements of
the same signature are all orders tried, and the smallest state is taken. So two states have the same canonical
form exactly when one is a renaming of the other (Ip and Dill, Better Verification Through Symmetry, 1996).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from operator import itemgetter

from mapproof.proofs.running.concrete import Machine
from mapproof.proofs.running.layout import State
from mapproof.proofs.running.python_source import function
from mapproof.proofs.terms import Sort, Term
from mapproof.proofs.tree import Function

Order = tuple[int, ...]
"""The unnamed elements of a sort in an order: the first takes the place of the least of them, and so on."""

MOST_REMEMBERED = 300_000
"""How many states are remembered with their canonical forms: neighbours lead to many states more than once."""


class Symmetry:
    """Calling it gives the canonical form of a state of the machine."""

    def __init__(self, machine: Machine) -> None:
        self._layout = machine.layout
        self._functions = [self._layout.functions[name] for name in self._layout.offsets]
        self.unnamed: dict[type[Term], Order] = {}
        for sort in machine.system.sorts:
            named = [self._layout.code(sort, name) for name in sort.named]
            unnamed = tuple(code for code in range(self._layout.size(sort)) if code not in named)
            if len(unnamed) > 1:
                self.unnamed[sort] = unnamed
        self._rows = {sort: {e: self._row(sort, e) for e in orders} for sort, orders in self.unnamed.items()}
        self._results = {sort: self._slots_of(sort) for sort in self.unnamed}
        self._signatures = self._compiled()
        self._remembered: dict[State, State] = {}
        self._renamings: dict[tuple[Order, ...], Callable[[State], State]] = {
            tuple(self.unnamed.values()): lambda state: state
        }

    def __call__(self, state: State) -> State:
        """The one state that stands for all renamings of this one."""
        canonical = self._remembered.get(state)
        if canonical is None:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            canonical = self._remembered[state] = self._canonical(state)
        return canonical

    def _canonical(self, state: State) -> State:
        candidates = [
            self._orders(sort, ranked, state)
            for sort, ranked in zip(self.unnamed, self._signatures(state), strict=True)
        ]
        return min([self.renamed(state, orders) for orders in itertools.product(*candidates)])

    def renamed(self, state: State, orders: tuple[Order, ...]) -> State:
        """The state with the elements of each sort of `unnamed` in this order."""
        if orders not in self._renamings:
            self._renamings[orders] = self._renaming(orders)
        return self._renamings[orders](state)

    def orders(self) -> Iterator[tuple[Order, ...]]:
        """Every renaming there is."""
        return itertools.product(*(itertools.permutations(e) for e in self.unnamed.values()))

    # -------------------------------------------------------------------------------------------- renaming

    def _renaming(self, orders: tuple[Order, ...]) -> Callable[[State], State]:
        old_of = {
            sort: dict(zip(self.unnamed[sort], order, strict=True))
            for sort, order in zip(self.unnamed, orders, strict=True)
        }
        new_of = {sort: {old: new for new, old in olds.items()} for sort, olds in old_of.items()}
        source = [
            self._layout.slot(
                f, tuple(old_of.get(s, {}).get(a, a) for s, a in zip(f.arguments, cell, strict=True))
            )
            for f in self._functions
            for cell in self._cells(f)
        ]
        moved = []
        for f in self._functions:
            if f.result in new_of:
                start = self._layout.offsets[f.name]
                table = [new_of[f.result].get(code, code) for code in range(self._layout.size(f.result))]
                moved.append((start, start + self._layout.count(f), table.__getitem__))
        gathered = itemgetter(*source)

        def rename(state: State) -> State:
            cells = list(gathered(state))
            for start, end, new in moved:
                cells[start:end] = map(new, cells[start:end])
            return tuple(cells)

        return rename

    def _cells(self, f: Function) -> Iterator[tuple[int, ...]]:
        return itertools.product(*(range(self._layout.size(sort)) for sort in f.arguments))

    # -------------------------------------------------------------------------------------------- orders

    def _orders(self, sort: type[Term], ranked: list[tuple[object, int]], state: State) -> list[Order]:
        """The orders of a sort's elements in which their signatures ascend, but for those that give equal states."""
        before: object = None
        for signature, _ in ranked:
            if signature == before:
                break
            before = signature
        else:
            return [tuple([element for _, element in ranked])]
        groups = itertools.groupby(ranked, key=itemgetter(0))
        arranged = [self._arrangements(sort, [element for _, element in group], state) for _, group in groups]
        return [tuple(itertools.chain(*parts)) for parts in itertools.product(*arranged)]

    def _arrangements(self, sort: type[Term], group: list[int], state: State) -> list[Order]:
        """All orders of elements of one signature. Twins, which nothing refers to and of which the state says the
        same, keep theirs: to exchange them would change nothing."""
        start, end = self._results[sort]
        references = state[start:end]
        rows = [
            row(state) if (row := self._rows[sort][element]) and element not in references else element
            for element in group
        ]
        if rows.count(rows[0]) == len(rows):
            return [tuple(group)]
        row_of = dict(zip(group, rows, strict=True))
        return [
            order
            for order in itertools.permutations(group)
            if all(a < b for a, b in itertools.combinations(order, 2) if row_of[a] == row_of[b])
        ]

    def _row(self, sort: type[Term], element: int) -> Callable[[State], object] | None:
        """What the state says of one element; None for a sort with a function of two of its elements."""
        if any(f.arguments.count(sort) > 1 for f in self._functions):
            return None
        slots = [
            self._layout.slot(f, cell)
            for f in self._functions
            if sort in f.arguments
            for cell in self._cells(f)
            if cell[f.arguments.index(sort)] == element
        ]
        return itemgetter(*slots) if slots else lambda state: ()

    def _slots_of(self, sort: type[Term]) -> tuple[int, int]:
        """The slots that hold elements of the sort: they lie side by side."""
        starts = [self._layout.offsets[f.name] for f in self._functions if f.result is sort]
        return min(starts, default=0), max(
            (
                self._layout.offsets[f.name] + self._layout.count(f)
                for f in self._functions
                if f.result is sort
            ),
            default=0,
        )

    # -------------------------------------------------------------------------------------------- signatures

    def _compiled(self) -> Callable[[State], tuple[list[tuple[object, int]], ...]]:
        """For each sort its elements with their signatures, in ascending order."""
        parts = []
        for sort, elements in self.unnamed.items():
            pairs = ", ".join(f"(({', '.join(self._signature(sort, e))},), {e})" for e in elements)
            parts.append(f"sorted([{pairs}])")
        return function(["def made(s):", f" return ({''.join(part + ', ' for part in parts)})"])

    def _signature(self, sort: type[Term], element: int) -> list[str]:
        """Expressions that any renaming of state and element leaves as they are."""
        parts = ["0"]
        for f in self._functions:
            start = self._layout.offsets[f.name]
            if f.result is sort:
                cells = f"s[{start}:{start + self._layout.count(f)}]"
                parts.append(f"{cells}.count({element})" if f.arguments else f"s[{start}] == {element}")
            for position, argument in enumerate(f.arguments):
                if argument is sort:
                    here = [cell for cell in self._cells(f) if cell[position] == element]
                    parts += self._of_cells(f, position, here)
        return parts

    def _of_cells(self, f: Function, position: int, cells: list[tuple[int, ...]]) -> list[str]:
        """The cells whose other arguments have names of their own one by one, the others as a multiset."""
        parts, rest = list[str](), list[str]()
        for cell in cells:
            others = [(s, a) for i, (s, a) in enumerate(zip(f.arguments, cell, strict=True)) if i != position]
            fixed = all(a not in self.unnamed.get(s, ()) for s, a in others)
            (parts if fixed else rest).append(self._colour(f, self._layout.slot(f, cell)))
        return [*parts, f"tuple(sorted(({', '.join(rest)},)))"] if rest else parts

    def _colour(self, f: Function, slot: int) -> str:
        """The value in a slot, or -1 for any element without a name of its own."""
        if f.result not in self.unnamed or not issubclass(f.result, Sort):
            return f"s[{slot}]"
        colours = [-1 if e in self.unnamed[f.result] else e for e in range(self._layout.size(f.result))]
        return f"{tuple(colours)}[s[{slot}]]"
