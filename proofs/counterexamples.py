"""A counterexample to induction that a person can read, and that was run before it is shown.

The idea: Z3's model of a refuted obligation is made small, one sort after the other, and named k0, e1, t0.
Then the same action runs on it in plain Python: its guards must hold, every invariant must be true before,
and the statement false after. Where the two disagree one of them is wrong about the meaning of the system,
and that is raised, never reported as a result. Only the cells that the step and the broken statement look at
are printed, before and after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

import z3

from mapproof.proofs import symbolic
from mapproof.proofs.concrete import Machine, Step
from mapproof.proofs.layout import Picture, State, Value
from mapproof.proofs.terms import Bool, Enumeration, Int, Sort, Term
from mapproof.proofs.transition_system import Action, System
from mapproof.proofs.tree import Apply, Forall, Function, Node, Variable

MOST_ELEMENTS = 4
"""How many elements of a sort to try when a model is made small."""


class Disagreement(Exception):
    """Z3 and plain Python do not agree on a counterexample: an error of the kit, not of the system."""


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """An obligation as Z3 is asked: under the assumptions, the goal. A claim speaks of the state before."""

    system: System
    action: Action
    statement: str
    formula: Node
    is_claim: bool
    assumptions: list[symbolic.Expr]
    goal: symbolic.Expr
    before: symbolic.State

    @staticmethod
    def joined(queries: Iterable[Query]) -> Query:
        """All goals of one action as one, without those that are word for word among the assumptions."""
        all_queries = tuple(queries)
        first = all_queries[0]
        assumed = {assumption.get_id() for assumption in first.assumptions}
        goal = z3.And(*(query.goal for query in all_queries if query.goal.get_id() not in assumed))
        return Query(
            first.system, first.action, "", first.formula, False, first.assumptions, goal, first.before
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the state, named as in the code, before and after the step."""

    name: str
    before: Value
    after: Value
    ghost: bool


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A step from a state in which every invariant holds to one in which `statement` does not.

    `witness` are the elements for which it fails; `before` and `after` are whole states (see `layout`).
    """

    action: str
    words: str
    arguments: tuple[tuple[str, Value], ...]
    statement: str
    sentence: str
    witness: tuple[tuple[str, Value], ...]
    cells: tuple[Cell, ...]
    domains: Mapping[str, tuple[str, ...]]
    before: Picture
    after: Picture

    def __str__(self) -> str:
        """A table of the cells that matter: changed ones marked with a star, the proof's own with a g."""
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments)
        lines = [f"step    {self.action}({arguments})    {self.words}", f"breaks  {self.statement}"]
        if self.sentence:
            lines.append(f"        {self.sentence}")
        if self.witness:
            lines.append("        fails for " + ", ".join(f"{name}={value}" for name, value in self.witness))
        width = max(len(cell.name) for cell in self.cells)
        middle = max(6, *(len(str(cell.before)) for cell in self.cells))
        lines.append(f"     {'':{width}}  {'before':{middle}}  after")
        for cell in self.cells:
            mark = ("*" if cell.before != cell.after else " ") + ("g" if cell.ghost else " ")
            lines.append(f"  {mark} {cell.name:{width}}  {cell.before!s:{middle}}  {cell.after}")
        lines.append(
            "  (every statement holds before the step; whether that state can be reached is not said)"
        )
        return "\n".join(line.rstrip() for line in lines)


def counterexample(query: Query, solver: symbolic.Expr) -> Counterexample:
    """The smallest state found for a query that `solver` just called satisfiable, run and rendered.

    Raises `Disagreement` when plain Python does not confirm it.
    """
    model, elements = _small_model(query, solver)
    domains = {sort.__name__: tuple(elements[sort].values()) for sort in query.system.sorts}
    decode = _Decoder(model, elements)
    before: Picture = {f.name: decode.table(f, query.before[f.name]) for f in query.system.functions}
    arguments = tuple(decode.value(symbolic.parameter(p), p.sort) for p in query.action.parameters)
    return _replay(query, Machine(query.system, domains), before, arguments)


# ------------------------------------------------------------------------------------------------ the model


def _small_model(
    query: Query, solver: symbolic.Expr
) -> tuple[symbolic.Expr, dict[type[Sort], dict[str, str]]]:
    """A model with few elements of each sort, and the names of its elements by their names in Z3."""
    model = solver.model()
    for sort in query.system.sorts:
        for size in range(max(1, len(sort.named)), MOST_ELEMENTS + 1):
            solver.push()
            solver.add(_at_most(sort, size))
            if solver.check() == z3.sat:
                model = solver.model()
                break
            solver.pop()
    return model, {sort: _named(sort, model) for sort in query.system.sorts}


def _at_most(sort: type[Sort], size: int) -> symbolic.Expr:
    z3_sort = symbolic.z3_sort(sort)
    any_element = z3.Const("any element", z3_sort)
    places = [z3.Const(f"element {i}", z3_sort) for i in range(size)]
    return z3.ForAll([any_element], z3.Or(*(any_element == place for place in places)))


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
            assert issubclass(sort, Sort)
            z3_sort = symbolic.z3_sort(sort)
            known = [symbolic.constant(sort, name) for name in sort.named]
            exprs = [self._model.eval(expr, model_completion=True) for expr in known]
            exprs += self._model.get_universe(z3_sort) or []
            exprs += [self._model.eval(z3.Const("any", z3_sort), model_completion=True)]
            by_name = {self._elements[sort][str(e)]: e for e in exprs}
            self._terms[sort] = [(expr, name) for name, expr in by_name.items()]
        return self._terms[sort]


# ------------------------------------------------------------------------------------------------ the replay


def _replay(query: Query, machine: Machine, picture: Picture, arguments: tuple[Value, ...]) -> Counterexample:
    """Run the action on the decoded state, and insist on what Z3 said."""
    before = machine.encode(picture)
    step = _rerun(query, machine, before, arguments)
    if query.is_claim:
        held = query.statement not in step.broken_claims
    elif query.statement in query.system.step_properties:
        held = machine.keeps(before, step.after, query.statement)
    else:
        held = machine.holds(step.after, query.statement)
    if held:
        raise Disagreement(
            f"{query.system.name}: {query.action.name} keeps {query.statement} on plain values"
        )
    return _render(query, machine, picture, machine.decode(step.after), arguments)


def _rerun(query: Query, machine: Machine, before: State, arguments: tuple[Value, ...]) -> Step:
    if query.action is query.system.initial:
        return Step(machine.initial(before), ())
    step = machine.step(before, query.action.name, *arguments)
    false_before = [name for name in query.system.invariants if not machine.holds(before, name)]
    if step is None or false_before:
        reason = "its guards do not hold" if step is None else f"false before: {false_before}"
        raise Disagreement(f"{query.system.name}: {query.action.name}, {query.statement}: {reason}")
    return step


def _render(
    query: Query, machine: Machine, before: Picture, after: Picture, arguments: tuple[Value, ...]
) -> Counterexample:
    action = query.action
    parameters = dict(zip(action.parameters, arguments, strict=True))
    start = machine.encode(before)
    judged, scope = (start, parameters) if query.is_claim else (machine.encode(after), {})
    parts, witness = _failing(machine, judged, query.formula, scope)
    looked_at = _cells_read(machine, judged, parts, witness)
    looked_at |= _cells_read(machine, start, action.guards, parameters)
    looked_at |= _cells_read(machine, start, query.system.background, {})
    made = query.system.invariants.get(query.statement)
    own = {p.name for p in action.parameters}
    return Counterexample(
        action.name,
        action.words,
        tuple((p.name, value) for p, value in parameters.items()),
        made.title if made else query.statement,
        made.words if made else "",
        tuple((v.name.split("__")[0], value) for v, value in witness.items() if v.name not in own),
        _cells(query.system, before, after, looked_at),
        {sort.__name__: tuple(map(str, machine.domains[sort.__name__])) for sort in query.system.sorts},
        before,
        after,
    )


def _cells(
    system: System, before: Picture, after: Picture, looked_at: set[tuple[str, tuple[Value, ...]]]
) -> tuple[Cell, ...]:
    return tuple(
        Cell(function.label.format(*cell), value, after[function.name][cell], function.ghost)
        for function in system.functions
        for cell, value in before[function.name].items()
        if (function.name, cell) in looked_at or after[function.name][cell] != value
    )


def _failing(
    machine: Machine, state: State, node: Node, scope: Mapping[Variable, Value]
) -> tuple[list[Node], dict[Variable, Value]]:
    """The parts of a false formula that make it false, and the elements for which they do."""
    match node:
        case Apply("and", conjuncts):
            culprit = next(p for p in conjuncts if not machine.evaluate(state, p, scope))
            return _failing(machine, state, culprit, scope)
        case Apply("implies", (premise, conclusion)):
            parts, found = _failing(machine, state, conclusion, scope)
            return [premise, *parts], found
        case Forall(variables, body):
            choices = product(*(machine.domains[v.sort.__name__] for v in variables))
            scopes = ({**scope, **dict(zip(variables, choice, strict=True))} for choice in choices)
            return _failing(
                machine, state, body, next(s for s in scopes if not machine.evaluate(state, body, s))
            )
        case _:
            return [node], dict(scope)


def _cells_read(
    machine: Machine, state: State, nodes: Iterable[Node], scope: Mapping[Variable, Value]
) -> set[tuple[str, tuple[Value, ...]]]:
    """The cells that decide the value of the nodes; Python looks no further than it needs to."""
    return set().union(*(machine.cells_read(state, node, scope) for node in nodes))
