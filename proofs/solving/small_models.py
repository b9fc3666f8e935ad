"""From Z3's model of a refuted obligation to a small state on plain Python values.

The idea: a model is as good as it is small. One sort after the other gets as few elements as it can have, then
the integers are brought as close to zero as they can be, each within the time that is left; the elements that
remain are named k0, e1, t0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import z3

from mapproof.proofs.running.layout import Picture, Value
from mapproof.proofs.solving import symbolic
from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.solving.queries import Query
from mapproof.proofs.terms import Bool, Enumeration, Int, Sort, Term
from mapproof.proofs.tree import Function

MOST_ELEMENTS = 4
"""How many elements of a sort to try when a model is made small."""

INTEGERS = ((0, 1), (0, 2), (0, 4), (-2, 2), (-8, 8))
"""The least and the greatest integer, tried one pair after the other."""

SECONDS, SECONDS_A_TRY = 3.0, 0.5
"""What making one model small may take: what is found by then is good enough."""


@dataclass(frozen=True, slots=True)
class SmallModel:
    """A state, the arguments of the action in it, and the elements of each sort by the sort's name."""

    domains: Mapping[str, tuple[str, ...]]
    before: Picture
    arguments: tuple[Value, ...]


def small_model(query: Query, solver: symbolic.Expr) -> SmallModel:
    """The smallest state found for a query that `solver` just called satisfiable."""
    model = _made_small(query, solver)
    elements = {sort: _named(sort, model) for sort in query.system.sorts}
    decode = _Decoder(model, elements)
    return SmallModel(
        {sort.__name__: tuple(elements[sort].values()) for sort in query.system.sorts},
        {f.name: decode.table(f, query.before[f.name]) for f in query.system.functions},
        tuple(decode.value(symbolic.parameter(p), p.sort) for p in query.action.parameters),
    )


def _made_small(query: Query, solver: symbolic.Expr) -> symbolic.Expr:
    model, deadline = solver.model(), Deadline(SECONDS)
    for sort in query.system.sorts:
        sizes = range(max(1, len(sort.named)), MOST_ELEMENTS + 1)
        model = _first_possible([[_at_most(sort, size)] for size in sizes], solver, deadline) or model
    integers = [f for f in query.system.functions if f.result is Int]
    if integers:
        model = (
            _first_possible([_between(query, integers, *ends) for ends in INTEGERS], solver, deadline)
            or model
        )
    return model


def _first_possible(
    choices: list[list[symbolic.Expr]], solver: symbolic.Expr, deadline: Deadline
) -> symbolic.Expr | None:
    """A model with the first choice that has one; that choice is kept in the solver. None when none was found."""
    for choice in choices:
        milliseconds = int(1000 * min(SECONDS_A_TRY, deadline.remaining()))
        if milliseconds < 1:
            return None
        solver.push()
        solver.set("timeout", milliseconds)
        solver.add(*choice)
        if solver.check() == z3.sat:
            return solver.model()
        solver.pop()
    return None


def _at_most(sort: type[Sort], size: int) -> symbolic.Expr:
    z3_sort = symbolic.z3_sort(sort)
    any_element = z3.Const("any element", z3_sort)
    places = [z3.Const(f"element {i}", z3_sort) for i in range(size)]
    return z3.ForAll([any_element], z3.Or(*(any_element == place for place in places)))


def _between(query: Query, integers: list[Function], least: int, greatest: int) -> list[symbolic.Expr]:
    """Every integer of the state is one of these."""
    bounded = []
    for function in integers:
        cell = [z3.Const(f"cell {i}", symbolic.z3_sort(sort)) for i, sort in enumerate(function.arguments)]
        value = query.before[function.name](*cell)
        within = z3.And(value >= least, value <= greatest)
        bounded.append(z3.ForAll(cell, within) if cell else within)
    return bounded


def _named(sort: type[Sort], model: symbolic.Expr) -> dict[str, str]:
    """Names for all elements of the model's universe of this sort: the known ones keep theirs."""
    universe = model.get_universe(symbolic.z3_sort(sort)) or []
    names = {
        str(model.eval(symbolic.constant(sort, name), model_completion=True)): name for name in sort.named
    }
    unused = (name for i in range(10**6) if (name := f"{sort.prefix}{i}") not in sort.named)
    for element in universe:
        if str(element) not in names:
            names[str(element)] = next(unused)
    if not names:
        names[str(model.eval(z3.Const("any", symbolic.z3_sort(sort)), model_completion=True))] = next(unused)
    return names


class _Decoder:
    """From Z3 values of one model to Python values, and back for the arguments of tables."""

    def __init__(self, model: symbolic.Expr, elements: Mapping[type[Sort], dict[str, str]]) -> None:
        self._model, self._elements = model, elements
        self._terms: dict[type[Term], list[tuple[symbolic.Expr, Value]]] = {}

    def value(self, expr: symbolic.Expr, sort: type[Term]) -> Value:
        found = self._model.eval(expr, model_completion=True)
        if sort is Bool:
            return bool(z3.is_true(found))
        if sort is Int:
            return int(found.as_long())
        if issubclass(sort, Enumeration):
            return str(found).rsplit(".", 1)[-1]
        assert issubclass(sort, Sort)
        return self._elements[sort][str(found)]

    def table(self, function: Function, read: symbolic.Expr) -> dict[tuple[Value, ...], Value]:
        cells = product(*(self._universe(sort) for sort in function.arguments))
        return {
            tuple(name for _, name in cell): self.value(read(*(expr for expr, _ in cell)), function.result)
            for cell in cells
        }

    def _universe(self, sort: type[Term]) -> list[tuple[symbolic.Expr, Value]]:
        if sort not in self._terms:
            self._terms[sort] = self._values(sort)
        return self._terms[sort]

    def _values(self, sort: type[Term]) -> list[tuple[symbolic.Expr, Value]]:
        if sort is Bool:
            return [(z3.BoolVal(value), value) for value in (False, True)]
        if issubclass(sort, Enumeration):
            return [(symbolic.constant(sort, label), label) for label in sort.labels]
        assert issubclass(sort, Sort)
        z3_sort = symbolic.z3_sort(sort)
        known = [symbolic.constant(sort, name) for name in sort.named]
        exprs = [self._model.eval(expr, model_completion=True) for expr in known]
        exprs += self._model.get_universe(z3_sort) or []
        exprs += [self._model.eval(z3.Const("any", z3_sort), model_completion=True)]
        by_name = {self._elements[sort][str(e)]: e for e in exprs}
        return [(expr, name) for name, expr in by_name.items()]
