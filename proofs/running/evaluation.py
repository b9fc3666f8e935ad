"""The value of one formula in one state, node by node, with a note of every cell that was looked at.

The idea: what a reader of a counterexample wants to see are the cells that decide it. This evaluation looks no
further than it needs to, as Python's `and`, `or` and `if` do, and remembers where it looked. It is slow and plain;
whole systems are run by `concrete`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import TypeAlias

from mapproof.proofs.running.layout import Picture, Value
from mapproof.proofs.terms import ModelError
from mapproof.proofs.tree import After, Apply, Constant, Forall, Node, Read, Variable

Scope: TypeAlias = Mapping[Variable, Value]
Looked: TypeAlias = set[tuple[str, tuple[Value, ...]]]

_BINARY: dict[str, Callable[..., Value]] = {
    "==": lambda left, right: left == right,
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
}


class Evaluation:
    """Formulas in one state, or of one step to `later`. `looked_at` are the cells: a function's name, its arguments."""

    def __init__(
        self, domains: Mapping[str, tuple[Value, ...]], state: Picture, later: Picture | None = None
    ) -> None:
        self._domains, self._state, self._later = domains, state, later
        self.looked_at: Looked = set()

    def value(self, node: Node, scope: Scope) -> Value:
        """The value of the node, its free variables given by `scope`."""
        match node:
            case Constant(value=value):
                return value
            case Variable():
                return scope[node]
            case Read(function, arguments):
                cell = tuple(self.value(argument, scope) for argument in arguments)
                self.looked_at.add((function.name, cell))
                return self._state[function.name][cell]
            case Apply(operator, arguments):
                return self._apply(operator, arguments, scope)
            case Forall(body=body):
                return all(self.value(body, inner) for inner in self.scopes(node, scope))
            case After(body):
                if self._later is None:
                    raise ModelError("after(...) stands outside a property of steps")
                there = Evaluation(self._domains, self._later)
                there.looked_at = self.looked_at
                return there.value(body, scope)

    def scopes(self, node: Forall, scope: Scope) -> Iterator[Scope]:
        """Every choice of the bound variables, beside those in scope."""
        choices = product(*(self._domains[variable.sort.__name__] for variable in node.variables))
        return ({**scope, **dict(zip(node.variables, choice, strict=True))} for choice in choices)

    def _apply(self, operator: str, arguments: tuple[Node, ...], scope: Scope) -> Value:
        values = (self.value(argument, scope) for argument in arguments)
        match operator:
            case "and":
                return all(values)
            case "or":
                return any(values)
            case "not":
                return not next(values)
            case "implies":
                return not next(values) or next(values)
            case "if":
                condition, then, otherwise = arguments
                return self.value(then if self.value(condition, scope) else otherwise, scope)
            case _:
                return _BINARY[operator](*values)
