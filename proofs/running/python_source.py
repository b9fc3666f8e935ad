"""A system's formulas and actions written out as Python source over a flat state.

The idea: a cell is `s[offset + stride * argument]`, and what is known while writing is worked out then: over a few
elements a quantifier is a chain of `and`, so most offsets are plain numbers. What a node means stands in
`Writer.expression` alone; actions are made of it. Two actions are written of each action: `step` for given arguments,
and `each`, which goes over all arguments and asks every guard as soon as its parameters are chosen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from mapproof.proofs.running.layout import Layout
from mapproof.proofs.terms import Bool, ModelError, all_of
from mapproof.proofs.transition_system import Action
from mapproof.proofs.tree import After, Apply, Constant, Forall, Node, Read, Variable, Write

Code: TypeAlias = str | int
"""A Python expression, or its value where that is known already."""
Scope: TypeAlias = Mapping[Variable, Code]

UNROLLED_NODES = 1_500
"""The most nodes that a quantifier or an assignment to every cell may grow to when written out; else it is a loop."""


def function(lines: Iterable[str]) -> Callable[..., Any]:
    """The function called `made` that these lines define."""
    namespace: dict[str, Any] = {}
    exec("\n".join(lines), namespace)  # noqa: S102 - it was written here, of trees alone
    made: Callable[..., Any] = namespace["made"]
    return made


@cache
def nodes_in(node: Node) -> int:
    """How large a tree is."""
    match node:
        case Read(_, arguments) | Apply(_, arguments):
            return 1 + sum(map(nodes_in, arguments))
        case Forall(_, body) | After(body):
            return 1 + nodes_in(body)
        case _:
            return 1


@cache
def variables_of(node: Node) -> frozenset[Variable]:
    """The free variables of a tree."""
    match node:
        case Variable():
            return frozenset({node})
        case Read(_, arguments) | Apply(_, arguments):
            return frozenset().union(*map(variables_of, arguments))
        case Forall(variables, body):
            return variables_of(body) - frozenset(variables)
        case After(body):
            return variables_of(body)
        case _:
            return frozenset()


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes expressions over the state that the source calls `state`, and `later` inside `after(...)`."""

    layout: Layout
    state: str = "s"
    later: str | None = None

    def expression(self, node: Node, scope: Scope) -> Code:
        """The meaning of every kind of node: its value in the state, the free variables given by `scope`."""
        match node:
            case Constant(sort, value):
                return self.layout.code(sort, value)
            case Variable():
                return scope[node]
            case Read(read, arguments):
                return f"{self.state}[{self.place(read.name, arguments, scope)}]"
            case Forall(variables, body):
                return self._forall(variables, body, scope)
            case Apply("or", arguments) if len(arguments) > 1:
                return _or(self._alternatives(arguments, scope))
            case Apply(operator, arguments):
                return _OPERATORS[operator](*(self.expression(argument, scope) for argument in arguments))
            case After(body):
                if self.later is None:
                    raise ModelError("after(...) stands outside a property of steps")
                return replace(self, state=self.later, later=None).expression(body, scope)

    def place(self, name: str, arguments: tuple[Node, ...], scope: Scope) -> Code:
        """The slot of a cell."""
        place: Code = self.layout.offsets[name]
        strides = self.layout.strides(self.layout.functions[name])
        for stride, argument in zip(strides, arguments, strict=True):
            step = _times(self.expression(argument, scope), stride)
            place = _plus(place, step)
        return place

    def choices(self, variables: tuple[Variable, ...], scope: Scope) -> list[Scope]:
        """The scope with the variables being all elements of their sorts, the last one running fastest."""
        sizes = (range(self.layout.size(variable.sort)) for variable in variables)
        return [{**scope, **dict(zip(variables, codes, strict=True))} for codes in itertools.product(*sizes)]

    def unrolls(self, variables: tuple[Variable, ...], body: Node) -> bool:
        """Whether a loop over the variables is short enough to be written out."""
        times = 1
        for variable in variables:
            times *= self.layout.size(variable.sort)
        return times * nodes_in(body) <= UNROLLED_NODES

    def named(self, variables: tuple[Variable, ...], scope: Scope) -> tuple[Scope, list[str]]:
        """Names in the source for the variables of a loop, and the heads of the loops, outermost first."""
        names = {v: f"v{len(scope) + i}" for i, v in enumerate(variables)}
        heads = [f"for {name} in range({self.layout.size(v.sort)})" for v, name in names.items()]
        return {**scope, **names}, heads

    def _alternatives(self, arguments: tuple[Node, ...], scope: Scope) -> list[Code]:
        """The alternatives; those that compare the same term with literals are one look into a set of them."""
        literals: dict[Code, list[Code]] = {}
        others: list[Code] = []
        for argument in arguments:
            match argument:
                case Apply("==", (left, Constant() as literal)):
                    literals.setdefault(self.expression(left, scope), []).append(
                        self.expression(literal, scope)
                    )
                case _:
                    others.append(self.expression(argument, scope))
        for term, codes in literals.items():
            if isinstance(term, str) and len(codes) > 1:
                others.append(f"({term} in {{{', '.join(map(str, codes))}}})")
            else:
                others += [_equal(term, code) for code in codes]
        return others

    def _forall(self, variables: tuple[Variable, ...], body: Node, scope: Scope) -> Code:
        if self.unrolls(variables, body):
            return _and([self.expression(body, inner) for inner in self.choices(variables, scope)])
        inner, heads = self.named(variables, scope)
        return f"all({self.expression(body, inner)} {' '.join(heads)})"

    # -------------------------------------------------------------------------------------------- actions

    def writes(self, writes: Iterable[Write], scope: Scope) -> list[str]:
        """Statements that make the list `n` the state after the writes: values are of the state before, a later
        write wins."""
        return [line for write in writes for line in self._write(write, scope)]

    def _write(self, write: Write, scope: Scope) -> list[str]:
        name = write.function.name
        if not write.variables or self.unrolls(write.variables, write.value):
            return [
                f"n[{self.place(name, write.arguments, inner)}] = {self.expression(write.value, inner)}"
                for inner in (self.choices(write.variables, scope) if write.variables else [scope])
            ]
        inner, heads = self.named(write.variables, scope)
        body = f"n[{self.place(name, write.arguments, inner)}] = {self.expression(write.value, inner)}"
        loops = [f"{' ' * depth}{head}:" for depth, head in enumerate(heads)]
        return [*loops, f"{' ' * len(heads)}{body}"]

    def predicate(self, node: Node) -> Callable[..., Any]:
        """A formula as a function of the state, and of the state after the step where there is one."""
        parameters = self.state if self.later is None else f"{self.state}, {self.later}"
        return function([f"def made({parameters}):", f" return {self.expression(node, {})}"])

    def value(self, node: Node, variables: tuple[Variable, ...]) -> Callable[..., Any]:
        """A term as a function of the state and its free variables."""
        scope = _parameters(variables)
        head = ", ".join([self.state, *scope.values()])
        return function([f"def made({head}):", f" return {self.expression(node, scope)}"])

    def step(self, action: Action) -> Callable[..., Any]:
        """A function of the state and the arguments: the state after the action, None where a guard is false."""
        scope = _parameters(action.parameters)
        guard = self.expression(all_of(*(Bool(guard) for guard in action.guards)).node, scope)
        head = ", ".join(["s", *scope.values()])
        return function(
            [
                f"def made({head}):",
                f" if not {guard}: return None",
                *self._after(action.writes, scope),
                " return tuple(n)",
            ]
        )

    def _after(self, writes: tuple[Write, ...], scope: Scope) -> list[str]:
        return [" n = list(s)", *(f" {line}" for line in self.writes(writes, scope))]

    def claims(self, action: Action) -> Callable[..., Any]:
        """A function of the state and the arguments: the titles of the action's claims that are false."""
        scope = _parameters(action.parameters)
        head = ", ".join(["s", *scope.values()])
        asked = [
            f" if not {self.expression(c.formula, scope)}: broken.append({c.title!r})" for c in action.claims
        ]
        return function([f"def made({head}):", " broken = []", *asked, " return tuple(broken)"])

    def each(self, action: Action, given: Variable | None) -> Callable[..., Any]:
        """A function of the state, the argument for `given` if there is one, and a function to call.

        That is called with ((name, arguments), state after) for all arguments for which the guards hold.
        """
        scope = _parameters(action.parameters)
        first = [] if given is None else [given]
        order = [*first, *(p for p in action.parameters if p is not given)]
        lines = [f"def made({', '.join(['s', *(scope[p] for p in first), 'found'])}):"]
        depth, known, asked = 1, set(first), list(action.guards)
        for parameter in [None, *order[len(first) :]]:
            if parameter is not None:
                known.add(parameter)
                size = self.layout.size(parameter.sort)
                lines.append(f"{' ' * depth}for {scope[parameter]} in range({size}):")
                depth += 1
            for guard in [g for g in asked if variables_of(g) <= known]:
                asked.remove(guard)
                lines.append(f"{' ' * depth}if {self.expression(guard, scope)}:")
                depth += 1
        arguments = "(" + "".join(f"{scope[p]}, " for p in action.parameters) + ")"
        body = [*self._after(action.writes, scope), f" found((({action.name!r}, {arguments}), tuple(n)))"]
        return function([*lines, *(" " * (depth - 1) + line for line in body)])


def _parameters(variables: tuple[Variable, ...]) -> dict[Variable, str]:
    return {variable: f"v{i}" for i, variable in enumerate(variables)}


# ------------------------------------------------------------------------------------------------ operators


def _plus(left: Code, right: Code) -> Code:
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if left == 0:
        return right
    return left if right == 0 else f"{left}+{right}"


def _times(code: Code, factor: int) -> Code:
    if isinstance(code, int):
        return code * factor
    return code if factor == 1 else f"{code}*{factor}"


def _and(parts: list[Code]) -> Code:
    if any(isinstance(part, int) and not part for part in parts):
        return False
    unknown = [part for part in parts if isinstance(part, str)]
    return f"({' and '.join(unknown)})" if unknown else True


def _or(parts: list[Code]) -> Code:
    if any(isinstance(part, int) and part for part in parts):
        return True
    unknown = [part for part in parts if isinstance(part, str)]
    return f"({' or '.join(unknown)})" if unknown else False


def _not(part: Code) -> Code:
    return f"(not {part})" if isinstance(part, str) else not part


def _equal(left: Code, right: Code) -> Code:
    if (isinstance(left, int) and isinstance(right, int)) or left == right:
        return left == right
    return f"({left} == {right})"


def _if(condition: Code, then: Code, otherwise: Code) -> Code:
    if isinstance(condition, int):
        return then if condition else otherwise
    return then if then == otherwise else f"({then} if {condition} else {otherwise})"


def _number(operator: str) -> Callable[..., Code]:
    return lambda left, right: f"({left} {operator} {right})"


_OPERATORS: dict[str, Callable[..., Code]] = {
    "and": lambda *parts: _and(list(parts)),
    "or": lambda *parts: _or(list(parts)),
    "not": _not,
    "implies": lambda premise, conclusion: _or([_not(premise), conclusion]),
    "==": _equal,
    "if": _if,
    **{operator: _number(operator) for operator in ("+", "-", "*", "<", "<=")},
}
