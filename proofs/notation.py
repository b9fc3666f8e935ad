"""A formula as a line that a person reads, in the names of the system: `forall k: m.read.has[k] implies ...`.

The idea: the tree knows how the code would write each cell (`tree.Function.label`), so nothing is left to do but
brackets and a few shorter ways to say the same: `!=`, `in (A, B)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from mapproof.proofs.tree import After, Apply, Constant, Forall, Node, Read, Variable

_LOOSE = {"implies": 1, "or": 2, "and": 3, "not": 4, "==": 5, "<": 5, "<=": 5, "+": 6, "-": 6, "*": 7}
"""How loosely an operator binds; looser parts of a tighter operator stand in brackets."""

_ATOM = 9


def formula_lines(node: Node) -> tuple[str, ...]:
    """The formula, a line for each part of a conjunction."""
    match node:
        case Apply("and", parts) if parts:
            return tuple(line for part in parts for line in formula_lines(part))
        case Apply("implies", (premise, Apply("and", parts))) if len(parts) > 1:
            return tuple(notation(Apply("implies", (premise, part))) for part in parts)
        case _:
            return (notation(node),)


def notation(node: Node) -> str:
    """The formula on one line."""
    return _written(node, {})[0]


def _written(node: Node, names: Mapping[Variable, str]) -> tuple[str, int]:
    """The text, and how tightly its outermost operator binds."""
    match node:
        case Constant(value=value):
            return str(value), _ATOM
        case Variable():
            return names.get(node, node.name), _ATOM
        case Read(function, arguments):
            return function.label.format(*(_written(a, names)[0] for a in arguments)), _ATOM
        case After(body):
            return f"after({_written(body, names)[0]})", _ATOM
        case Forall(variables, body):
            inner = {**names, **_named(variables, names)}
            bound = ", ".join(f"{inner[v]}: {v.sort.__name__}" for v in variables)
            return f"forall {bound}. {_written(body, inner)[0]}", 0
        case Apply(operator, arguments):
            return _applied(operator, arguments, names)


def _named(variables: tuple[Variable, ...], names: Mapping[Variable, str]) -> dict[Variable, str]:
    """The names that the author gave, told apart from those in scope by a prime."""
    taken, given = set(names.values()), dict[Variable, str]()
    for variable in variables:
        name = variable.name.partition("__")[0]
        while name in taken:
            name += "'"
        taken.add(name)
        given[variable] = name
    return given


def _applied(operator: str, arguments: tuple[Node, ...], names: Mapping[Variable, str]) -> tuple[str, int]:
    match operator, arguments:
        case (("and" | "or"), ()):
            return ("true" if operator == "and" else "false"), _ATOM
        case (("and" | "or"), (only,)):
            return _written(only, names)
        case "or", _ if (chosen := _choice(arguments, names)) is not None:
            return chosen, _LOOSE["=="]
        case "not", (Apply("==", pair),):
            return _infix("!=", pair, names, _LOOSE["=="])
        case "not", (Apply("<", (left, right)),):
            return _infix("<=", (right, left), names, _LOOSE["=="])
        case "not", (Apply("<=", (left, right)),):
            return _infix("<", (right, left), names, _LOOSE["=="])
        case "not", (part,):
            return f"not {_bracketed(part, names, _LOOSE['not'])}", _LOOSE["not"]
        case "if", (condition, then, otherwise):
            return f"({' '.join(_ternary(condition, then, otherwise, names))})", _ATOM
        case _:
            return _infix(operator, arguments, names, _LOOSE[operator])


def _choice(arguments: tuple[Node, ...], names: Mapping[Variable, str]) -> str | None:
    """`x in (A, B)` for `x == A or x == B`."""
    pairs = [a.arguments for a in arguments if isinstance(a, Apply) and a.operator == "=="]
    subjects = {_written(left, names)[0] for left, _ in pairs}
    if len(pairs) < len(arguments) or len(subjects) > 1:
        return None
    return f"{subjects.pop()} in ({', '.join(_written(right, names)[0] for _, right in pairs)})"


def _ternary(condition: Node, then: Node, otherwise: Node, names: Mapping[Variable, str]) -> list[str]:
    words = (then, "if", condition, "else", otherwise)
    return [word if isinstance(word, str) else _bracketed(word, names, 1) for word in words]


def _infix(
    operator: str, arguments: tuple[Node, ...], names: Mapping[Variable, str], binding: int
) -> tuple[str, int]:
    return f" {operator} ".join(_bracketed(a, names, binding) for a in arguments), binding


def _bracketed(node: Node, names: Mapping[Variable, str], binding: int) -> str:
    text, own = _written(node, names)
    return text if own > binding else f"({text})"
