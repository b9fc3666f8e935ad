"""From Z3's terms back to the tree that a system is written in.

The idea: what a solver finds by itself, such as an invariant, is worth most in the language in which people wrote
the rest: so it can be printed in their names, run on plain values, and proved by the same machinery as theirs. Only
systems whose state is plain variables are read back; `symbolic` goes the other way.
"""

from __future__ import annotations

from collections.abc import Mapping

import z3

from mapproof.proofs.solving.symbolic import Expr, z3_sort
from mapproof.proofs.terms import Bool, Enumeration, Int, ModelError, Term
from mapproof.proofs.transition_system import System
from mapproof.proofs.tree import Apply, Constant, Function, Node, Read

_SAME = {
    z3.Z3_OP_AND: "and",
    z3.Z3_OP_OR: "or",
    z3.Z3_OP_NOT: "not",
    z3.Z3_OP_IMPLIES: "implies",
    z3.Z3_OP_EQ: "==",
    z3.Z3_OP_ITE: "if",
    z3.Z3_OP_LE: "<=",
    z3.Z3_OP_LT: "<",
}
_TURNED = {z3.Z3_OP_GE: "<=", z3.Z3_OP_GT: "<"}
_FOLDED = {z3.Z3_OP_ADD: "+", z3.Z3_OP_SUB: "-"}


class Reader:
    """Reads terms over the variables of one system. Raises `ModelError` for what the language cannot say."""

    def __init__(self, system: System) -> None:
        self._variables: Mapping[str, Function] = {function.name: function for function in system.functions}
        self._enumerations: dict[str, type[Enumeration]] = {
            str(z3_sort(sort)): sort for sort in system.enumerations
        }

    def node(self, expr: Expr) -> Node:
        """The tree of a term."""
        kind = expr.decl().kind()
        if expr.num_args() == 0:
            return self._leaf(expr, kind)
        if kind == z3.Z3_OP_DT_IS:
            constructor = expr.decl().params()[0]
            return Apply("==", (self.node(expr.arg(0)), self._label(constructor)))
        arguments = tuple(self.node(argument) for argument in expr.children())
        if kind in _SAME:
            return Apply(_SAME[kind], self._subject_first(arguments) if kind == z3.Z3_OP_EQ else arguments)
        if kind in _TURNED:
            return Apply(_TURNED[kind], arguments[::-1])
        if kind in _FOLDED:
            total = arguments[0]
            for argument in arguments[1:]:
                total = Apply(_FOLDED[kind], (total, argument))
            return total
        if kind == z3.Z3_OP_UMINUS:
            return Apply("*", (arguments[0], Constant(Int, -1)))
        if kind == z3.Z3_OP_MUL and any(isinstance(argument, Constant) for argument in arguments):
            return Apply("*", self._subject_first(arguments))
        raise ModelError(f"a term of Z3 cannot be read back: {expr.decl()}")

    def _leaf(self, expr: Expr, kind: int) -> Node:
        if kind in (z3.Z3_OP_TRUE, z3.Z3_OP_FALSE):
            return Constant(Bool, kind == z3.Z3_OP_TRUE)
        if z3.is_int_value(expr):
            return Constant(Int, expr.as_long())
        if kind == z3.Z3_OP_DT_CONSTRUCTOR:
            return self._label(expr.decl())
        name = expr.decl().name()
        if name not in self._variables:
            raise ModelError(f"a term of Z3 cannot be read back: {name} is no variable of the system")
        return Read(self._variables[name], ())

    def _label(self, constructor: Expr) -> Constant:
        sort = self._enumerations[str(constructor.range())]
        return Constant(sort, constructor.name().removeprefix(f"{constructor.range()}."))

    def value(self, expr: Expr) -> str | int:
        """The value of a term that is a literal or a label."""
        node = self.node(expr)
        if not isinstance(node, Constant):
            raise ModelError(f"a term of Z3 is no value: {expr}")
        return node.value

    @staticmethod
    def _subject_first(pair: tuple[Node, ...]) -> tuple[Node, ...]:
        return pair[::-1] if isinstance(pair[0], Constant) else pair


def sort_is_plain(sort: type[Term]) -> bool:
    """Whether the values of the sort can be read back."""
    return sort in (Bool, Int) or issubclass(sort, Enumeration)
