"""Where each cell of a state lies in a flat tuple, and the way from readable names to numbers and back.

The idea: over a few named elements a state is finitely many cells, so it is a tuple with one slot a cell: quick to
copy, to hash and to compare. Elements, labels and truth values are numbers, their place in the domain of their
sort; an integer is itself. The cells of functions with the same sort of results lie side by side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

from mapproof.proofs.chapters import Bound
from mapproof.proofs.terms import Int, ModelError, Term
from mapproof.proofs.transition_system import System
from mapproof.proofs.tree import Function

Value: TypeAlias = str | int
Cell: TypeAlias = tuple[Value, ...]
Picture: TypeAlias = Mapping[str, Mapping[Cell, Value]]
"""A readable state: the name of a state function, the names of its arguments, its value."""
State: TypeAlias = tuple[int, ...]
"""A flat state; only the layout knows what a slot means."""


class Layout:
    """The slots of a system's state over `domains`, which names the elements of each sort by the sort's name.

    The elements that the system names must be among them. Raises `ModelError` otherwise.
    """

    def __init__(self, system: System, domains: Mapping[str, tuple[str, ...]]) -> None:
        for sort in system.sorts:
            given = domains.get(sort.__name__, ())
            if missing := [name for name in sort.named if name not in given]:
                raise ModelError(f"{sort.__name__} needs the elements {', '.join(missing)}")
            if not given or len(set(given)) < len(given):
                raise ModelError(f"{sort.__name__} needs elements, each of its own name")
        self.domains: dict[str, tuple[Value, ...]] = {
            **domains,
            **{sort.__name__: sort.labels for sort in system.enumerations},
            "Bool": (False, True),
        }
        self.functions = {f.name: f for f in system.functions}
        self._codes = {
            name: {value: code for code, value in enumerate(d)} for name, d in self.domains.items()
        }
        self.offsets: dict[str, int] = {}
        self.length = 0
        for function in sorted(system.functions, key=lambda f: f.result.__name__):
            self.offsets[function.name] = self.length
            self.length += self.count(function)

    def size(self, sort: type[Term]) -> int:
        """How many elements the sort has here."""
        return len(self.domains[sort.__name__])

    def count(self, function: Function) -> int:
        """How many cells the function has."""
        cells = 1
        for sort in function.arguments:
            cells *= self.size(sort)
        return cells

    def strides(self, function: Function) -> tuple[int, ...]:
        """How many slots further the cell of the next element is, for each argument; the last one runs fastest."""
        strides, stride = list[int](), 1
        for sort in reversed(function.arguments):
            strides.append(stride)
            stride *= self.size(sort)
        return tuple(reversed(strides))

    def slot(self, function: Function, arguments: tuple[int, ...]) -> int:
        """The slot of one cell, its arguments given as numbers."""
        steps = zip(self.strides(function), arguments, strict=True)
        return self.offsets[function.name] + sum(stride * code for stride, code in steps)

    def code(self, sort: type[Term], value: Value) -> int:
        """The number that stands for a value. Raises `ModelError` for one that the sort does not have here."""
        if sort is Int:
            return int(value)
        try:
            return self._codes[sort.__name__][value]
        except KeyError:
            raise ModelError(f"{sort.__name__} has no {value!r} here") from None

    def value(self, sort: type[Term], code: int) -> Value:
        """The value that a number stands for."""
        return code if sort is Int else self.domains[sort.__name__][code]

    def cells(self, function: Function) -> Iterator[Cell]:
        """The arguments of every cell of the function, by name, in the order of their slots."""
        return itertools.product(*(self.domains[sort.__name__] for sort in function.arguments))

    def encode(self, picture: Picture) -> State:
        """The flat form of a readable state. Raises `ModelError` where a cell is missing or its value unknown."""
        state = list[int]()
        for name in self.offsets:
            function = self.functions[name]
            for cell in self.cells(function):
                try:
                    value = picture[name][cell]
                except KeyError:
                    raise ModelError(f"the state does not give {function.label.format(*cell)}") from None
                state.append(self.code(function.result, value))
        return tuple(state)

    def decode(self, state: State) -> dict[str, dict[Cell, Value]]:
        """The readable form of a flat state, in the order in which the state was written down."""
        picture: dict[str, dict[Cell, Value]] = {}
        for name, function in self.functions.items():
            start = self.offsets[name]
            codes = state[start : start + self.count(function)]
            values = [self.value(function.result, code) for code in codes]
            picture[name] = dict(zip(self.cells(function), values, strict=True))
        return picture

    @cached_property
    def places(self) -> tuple[tuple[Function, Cell], ...]:
        """What lies in each slot, in their order."""
        functions = [self.functions[name] for name in self.offsets]
        return tuple((function, cell) for function in functions for cell in self.cells(function))


def elements_of(system: System, bound: Bound) -> dict[str, tuple[str, ...]]:
    """Names for as many elements of each sort as the bound says: the system's own, then prefix and number.

    Raises `ModelError` when the bound leaves a sort out, or has fewer elements than the system names.
    """
    names: dict[str, tuple[str, ...]] = {}
    for sort in system.sorts:
        size = bound.elements.get(sort.__name__)
        if size is None or size < max(1, len(sort.named)):
            raise ModelError(
                f"{system.name}: the bound needs {max(1, len(sort.named))} {sort.__name__} or more"
            )
        unused = (name for i in itertools.count() if (name := f"{sort.prefix}{i}") not in sort.named)
        names[sort.__name__] = (*sort.named, *itertools.islice(unused, size - len(sort.named)))
    return names
