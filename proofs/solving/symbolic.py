"""A system as Z3 terms.

The idea: the state after an action is a term over the state before it. A state function is a Python
function from Z3 terms to a Z3 term; an assignment wraps it in one more `if the arguments are these`. So an
obligation talks of one state only, and nothing has to be said of what an action leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import z3

from mapproof.proofs.terms import Bool, Enumeration, Int, ModelError, Term
from mapproof.proofs.transition_system import Action, System
from mapproof.proofs.tree import After, Apply, Constant, Forall, Function, Node, Read, Variable, Write

Expr: TypeAlias = Any  # z3.ExprRef; z3 has no type hints
State: TypeAlias = Mapping[str, Callable[..., Expr]]
Scope: TypeAlias = Mapping[str, Expr]


def z3_sort(sort: type[Term]) -> Expr:
    """The Z3 sort of a sort."""
    if sort is Bool:
        return z3.BoolSort()
    if sort is Int:
        return z3.IntSort()
    if issubclass(sort, Enumeration):
        return _enumeration(_unique(sort), sort.labels)
    return z3.DeclareSort(_unique(sort))


@cache
def _enumeration(name: str, labels: tuple[str, ...]) -> Expr:
    """Made once each: Z3 refuses a second enumeration of the same name."""
    return z3.EnumSort(name, [f"{name}.{label}" for label in labels])[0]


def _unique(sort: type[Term]) -> str:
    return f"{sort.__module__}.{sort.__qualname__}"


def constant(sort: type[Term], value: str | int) -> Expr:
    """The Z3 term of a literal, a label or a named element."""
    if sort is Bool:
        return z3.BoolVal(bool(value))
    if sort is Int:
        return z3.IntVal(value)
    if issubclass(sort, Enumeration):
        return z3_sort(sort).constructor(sort.labels.index(str(value)))()
    return z3.Const(f"{_unique(sort)}:{value}", z3_sort(sort))


def parameter(variable: Variable) -> Expr:
    """An action's parameter as a free Z3 constant."""
    return z3.Const(f"parameter {variable.name}", z3_sort(variable.sort))


def parameters(action: Action) -> Scope:
    """The scope of the action's guards, claims and assignments."""
    return {variable.name: parameter(variable) for variable in action.parameters}


def distinct_elements(system: System) -> list[Expr]:
    """The named elements of each sort are different from one another."""
    return [
        z3.Distinct(*(constant(sort, name) for name in sort.named))
        for sort in system.sorts
        if len(sort.named) > 1
    ]


def any_state(system: System) -> State:
    """A state of which nothing is known: uninterpreted functions and constants."""
    return {function.name: _uninterpreted(function) for function in system.functions}


def _uninterpreted(function: Function) -> Callable[..., Expr]:
    result = z3_sort(function.result)
    if not function.arguments:
        value = z3.Const(function.name, result)
        return lambda: value
    made = z3.Function(function.name, *(z3_sort(sort) for sort in function.arguments), result)
    return lambda *arguments: made(*arguments)


def after(state: State, action: Action, scope: Scope) -> State:
    """The state after the action. All right-hand sides speak of the state before it; a later write wins."""
    new = dict(state)
    for write in action.writes:
        new[write.function.name] = _written(new[write.function.name], state, write, scope)
    return new


def _written(before: Callable[..., Expr], state: State, write: Write, scope: Scope) -> Callable[..., Expr]:
    if write.variables:
        names = [variable.name for variable in write.variables]
        return lambda *cell: term(write.value, state, {**scope, **dict(zip(names, cell, strict=True))})
    place = [term(argument, state, scope) for argument in write.arguments]
    value = term(write.value, state, scope)
    if not place:
        return lambda: value
    return lambda *cell: z3.If(
        z3.And(*(x == y for x, y in zip(cell, place, strict=True))), value, before(*cell)
    )


_OPERATORS: dict[str, Callable[..., Expr]] = {
    # SMT-LIB has no conjunction of nothing.
    "and": lambda *parts: z3.And(*parts) if parts else z3.BoolVal(True),
    "or": lambda *parts: z3.Or(*parts) if parts else z3.BoolVal(False),
    "not": lambda part: z3.Not(part),
    "implies": lambda premise, conclusion: z3.Implies(premise, conclusion),
    "==": lambda left, right: left == right,
    "if": lambda condition, then, otherwise: z3.If(condition, then, otherwise),
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
}


def term(node: Node, state: State, scope: Scope, later: State | None = None) -> Expr:
    """The node as a Z3 term in this state; `scope` gives the variables, `later` the state after the step."""
    match node:
        case Constant(sort, value):
            return constant(sort, value)
        case Variable(name=name):
            return scope[name]
        case Read(function, arguments):
            return state[function.name](*(term(argument, state, scope, later) for argument in arguments))
        case Forall(variables, body):
            bound = {v.name: z3.Const(v.name, z3_sort(v.sort)) for v in variables}
            return z3.ForAll(list(bound.values()), term(body, state, {**scope, **bound}, later))
        case Apply(operator, arguments):
            return _OPERATORS[operator](*(term(argument, state, scope, later) for argument in arguments))
        case After(body):
            if later is None:
                raise ModelError("after(...) stands outside a property of steps")
            return term(body, later, scope)
