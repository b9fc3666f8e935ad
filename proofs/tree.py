"""The tree that the terms of a system are made of: what both readings, Z3's and plain Python's, start from.

The idea: seven kinds of node and nothing else, so that a meaning is one function with seven cases, and what was
written down can be compared case by case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from mapproof.proofs.terms import Term


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One state function, such as `Thread.pc`: its value may differ from state to state.

    `label` is a format string that names one cell as the code would: `{0}.pc`, `{0}.has[{1}]`, `m.read`.
    """

    name: str
    label: str
    arguments: tuple[type[Term], ...]
    result: type[Term]
    ghost: bool  # kept by the proof only; the code has no such variable


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A literal, a label of an enumeration, or a named element that is the same in every state."""

    sort: type[Term]
    value: str | int


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A parameter of an action or a bound variable; `name` is unique within any formula."""

    sort: type[Term]
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """The value of a state function: before the action, or after it inside `After`."""

    function: Function
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """An operator: and, or, not, implies, ==, if, +, -, *, <, <=."""

    operator: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Forall:
    """A universally quantified formula."""

    variables: tuple[Variable, ...]
    body: Node


@dataclass(frozen=True, slots=True, eq=False)
class After:
    """The value of the body in the state after the action; for properties of steps only."""

    body: Node


Node: TypeAlias = Constant | Variable | Read | Apply | Forall | After


@dataclass(frozen=True, slots=True)
class Write:
    """One assignment: at `arguments`, or everywhere when `variables` are bound (and are the arguments)."""

    function: Function
    variables: tuple[Variable, ...]
    arguments: tuple[Node, ...]
    value: Node


@dataclass(frozen=True, slots=True)
class Claim:
    """What the action asserts of the state in which it happens."""

    title: str
    formula: Node


def functions_read(node: Node) -> frozenset[str]:
    """The names of the state functions that the value of the node depends on."""
    match node:
        case Read(function, arguments):
            return frozenset({function.name}).union(*map(functions_read, arguments))
        case Apply(_, arguments):
            return frozenset().union(*map(functions_read, arguments))
        case Forall(_, body) | After(body):
            return functions_read(body)
        case _:
            return frozenset()
