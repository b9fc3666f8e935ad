"""What an instruction of traced code reads or writes, and the value where it can be known.

The idea: since Python 3.11 each instruction knows the piece of source that it comes from. So an instruction is an
expression, and just before it runs its value can be worked out from the frame's own variables and from what the
instructions before it read; never by reading shared memory a second time, for another thread may have changed it since,
and never by running code under test. What cannot be worked out that way is UNKNOWN.
"""

from __future__ import annotations

import ast
import builtins
import dis
import linecache
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any, Final

from mapproof.stateful_tests.trace.values import ABSENT, UNKNOWN, attribute, inherits, is_plain, looked_up

Position = tuple[int | None, int | None, int | None, int | None]

_READS: Final[Mapping[str, type[ast.expr]]] = {
    "LOAD_ATTR": ast.Attribute,
    "BINARY_SUBSCR": ast.Subscript,
    "CONTAINS_OP": ast.Compare,
    "CALL": ast.Call,
    "LOAD_GLOBAL": ast.Name,
    "LOAD_DEREF": ast.Name,
}
_WRITES: Final[Mapping[str, type[ast.expr]]] = {
    "STORE_ATTR": ast.Attribute,
    "STORE_SUBSCR": ast.Subscript,
    "STORE_GLOBAL": ast.Name,
    "STORE_DEREF": ast.Name,
}


@dataclass(frozen=True, slots=True)
class Site:
    """An instruction as an expression. `statement` is the one that it is part of; `leads` if its value only leads to
    another read or write of the statement."""

    node: ast.expr
    statement: ast.stmt | None
    writes: bool
    leads: bool
    whole: bool
    """The expression is all that the statement asks for, so that its value needs no name."""

    @property
    def span(self) -> Position:
        return _span(self.node)


def _span(node: ast.AST) -> Position:
    return (
        getattr(node, "lineno", None),
        getattr(node, "end_lineno", None),
        getattr(node, "col_offset", None),
        getattr(node, "end_col_offset", None),
    )


# -- from an instruction to its expression


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction that may touch shared memory: its name, where it stands, and its expression if it has one."""

    name: str
    position: Position
    site: Site | None


@dataclass(frozen=True, slots=True)
class _Code:
    """What is known of a code object, which is kept alive for that; `assigned` by line."""

    code: CodeType
    instructions: Mapping[int, Instruction]
    assigned: Mapping[int | None, tuple[str, ...]]


_codes: dict[int, _Code] = {}
"""By identity: to hash a code object is to hash all that is in it."""


def _read(code: CodeType) -> _Code:
    known = _codes.get(id(code))
    if known is None:
        known = _codes[id(code)] = _Code(code, _instructions(code), _assigned(code))
    return known


def instruction(code: CodeType, offset: int) -> Instruction:
    """The instruction at that offset."""
    return _read(code).instructions[offset]


def assigned(code: CodeType, line: int) -> tuple[str, ...]:
    """The local variables that the line assigns."""
    return _read(code).assigned.get(line, ())


def _instructions(code: CodeType) -> dict[int, Instruction]:
    found = {}
    for each in dis.get_instructions(code):
        place = each.positions
        position: Position = (None,) * 4
        if place is not None:
            position = (place.lineno, place.end_lineno, place.col_offset, place.end_col_offset)
        found[each.offset] = Instruction(
            each.opname, position, _site(code.co_filename, each.opname, position)
        )
    return found


def _site(filename: str, opname: str, position: Position) -> Site | None:
    kind = _READS.get(opname) or _WRITES.get(opname)
    if kind is None:
        return None
    source = _source(filename)
    for node in source.by_span.get(position, ()):
        if isinstance(node, kind):
            return source.site(node, opname in _WRITES)
    return None


@dataclass(frozen=True, slots=True)
class _Source:
    by_span: Mapping[Position, list[ast.expr]]
    parents: Mapping[int, ast.AST]
    tree: ast.AST

    def site(self, node: ast.expr, writes: bool) -> Site:
        parent = self.parents.get(id(node))
        statement: ast.AST | None = node
        while statement is not None and not isinstance(statement, ast.stmt):
            statement = self.parents.get(id(statement))
        leads = (
            (isinstance(parent, ast.Attribute | ast.Subscript) and parent.value is node)
            or isinstance(parent, ast.withitem)
            or (isinstance(parent, ast.Call) and parent.func is node)
        )
        return Site(node, statement, writes, leads, _is_whole(node, statement))


def _is_whole(node: ast.expr, statement: ast.AST | None) -> bool:
    match statement:
        case ast.Assign(targets=[target]):
            return node in (target, statement.value)
        case ast.AugAssign():
            return node is statement.target
        case ast.AnnAssign() | ast.Return() | ast.Expr():
            return node is statement.value or node is getattr(statement, "target", None)
        case ast.If() | ast.While():
            return node is statement.test
        case _:
            return False


@lru_cache(maxsize=256)
def _source(filename: str) -> _Source:
    by_span: dict[Position, list[ast.expr]] = {}
    parents: dict[int, ast.AST] = {}
    try:
        tree: ast.AST = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    for parent in ast.walk(tree):
        for node in ast.iter_child_nodes(parent):
            parents[id(node)] = parent
            if isinstance(node, ast.expr):
                by_span.setdefault(_span(node), []).append(node)
    return _Source(by_span, parents, tree)


def _assigned(code: CodeType) -> dict[int | None, tuple[str, ...]]:
    found: dict[int | None, tuple[str, ...]] = {}
    for each in dis.get_instructions(code):
        if each.opname.startswith("STORE_FAST"):
            line = None if each.positions is None else each.positions.lineno
            found[line] = tuple(dict.fromkeys((*found.get(line, ()), *_variables(each))))
    return found


def _variables(each: dis.Instruction) -> tuple[str, ...]:
    """The variables that a STORE_FAST assigns: from 3.13 on it may store two, or store one and load another."""
    if each.opname == "STORE_FAST_LOAD_FAST":
        return (each.argval[0],)
    return each.argval if isinstance(each.argval, tuple) else (each.argval,)


# -- from an expression to its value


@dataclass(frozen=True, slots=True)
class Eyes:
    """What can be seen just before an instruction: the frame's variables, and the values, by their place in the source,
    that the instructions of the same line read before. Shared variables (`shared`) are not looked at again."""

    local: Mapping[str, Any]
    module: Mapping[str, Any]
    shared: frozenset[str]
    read: Mapping[Position, Any]

    def value(self, node: ast.expr) -> Any:
        """The value of a part of the expression; UNKNOWN if it was not read before and is not the frame's own."""
        if _span(node) in self.read:
            return self.read[_span(node)]
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._variable(node.id)
            case ast.BinOp():
                return combined(type(node.op), self.value(node.left), self.value(node.right))
            case ast.UnaryOp(op=ast.USub()):
                operand = self.value(node.operand)
                return -operand if type(operand) in (int, float) else UNKNOWN
            case ast.List() | ast.Tuple():
                items = [self.value(item) for item in node.elts]
                if any(item is UNKNOWN or item is ABSENT for item in items):
                    return UNKNOWN
                return items if isinstance(node, ast.List) else tuple(items)
            case ast.Dict(keys=[]):
                return {}
            case _:
                return UNKNOWN

    def _variable(self, name: str) -> Any:
        if name in self.local:
            return UNKNOWN if name in self.shared else self.local[name]
        return self.module.get(name, getattr(builtins, name, UNKNOWN))

    def read_now(self, node: ast.expr) -> Any:
        """What an instruction that is about to run reads."""
        match node:
            case ast.Name():
                return self.local[node.id] if node.id in self.local else self.module.get(node.id, UNKNOWN)
            case ast.Attribute():
                base = self.value(node.value)
                return UNKNOWN if base in _NOTHING else attribute(base, node.attr)
            case ast.Subscript():
                return _item(self.value(node.value), self.value(node.slice))
            case ast.Compare(ops=[ast.In() | ast.NotIn() as op], comparators=[container]):
                found = _contains(self.value(container), self.value(node.left))
                return found if found is UNKNOWN else found is isinstance(op, ast.In)
            case ast.Call(keywords=[]):
                return self._called(node)
            case _:
                return UNKNOWN

    def _called(self, node: ast.Call) -> Any:
        """The answers of a few methods of builtin types, which can be told before."""
        given = [self.value(argument) for argument in node.args]
        if any(argument is UNKNOWN for argument in given):
            return UNKNOWN
        match node.func:
            case ast.Name("len") if len(given) == 1 and self._variable("len") is len:
                return _length(given[0])
            case ast.Attribute(value=base, attr=("get" | "pop" | "setdefault") as method) if given:
                return _taken(self.value(base), method, given)
            case _:
                return UNKNOWN


class _Nothing:
    """Membership by identity: a value's own `==` must not run."""

    def __contains__(self, value: object) -> bool:
        return value is UNKNOWN or value is ABSENT


_NOTHING: Final = _Nothing()


def _item(container: Any, key: Any) -> Any:
    if container in _NOTHING or key in _NOTHING:
        return UNKNOWN
    if inherits(container, dict, "__getitem__", "__missing__"):
        return looked_up(container, key)
    for builtin in (list, tuple):
        if inherits(container, builtin, "__getitem__") and type(key) is int:
            size = builtin.__len__(container)
            return builtin.__getitem__(container, key) if -size <= key < size else ABSENT
    return UNKNOWN


def _contains(container: Any, key: Any) -> Any:
    if container in _NOTHING or key in _NOTHING:
        return UNKNOWN
    if inherits(container, dict, "__contains__"):
        found = looked_up(container, key)
        return found if found is UNKNOWN else found is not ABSENT
    if type(container) in (set, frozenset, list, tuple) and is_plain(key) and all(map(is_plain, container)):
        return key in container
    return UNKNOWN


def _length(container: Any) -> Any:
    for builtin in (dict, list, tuple, set, frozenset, str, bytes):
        if inherits(container, builtin, "__len__"):
            return builtin.__len__(container)
    return UNKNOWN


def _taken(container: Any, method: str, given: list[Any]) -> Any:
    if container in _NOTHING or not inherits(container, dict, method, "__getitem__"):
        return UNKNOWN
    found = looked_up(container, given[0])
    if found is not ABSENT:
        return found
    if len(given) > 1:
        return given[1]
    return ABSENT if method == "pop" else None


_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def combined(op: type[ast.operator], left: Any, right: Any) -> Any:
    """`left op right` of small numbers; else UNKNOWN."""
    calculate = _ARITHMETIC.get(op)
    if calculate is None or not (_is_small(left) and _is_small(right)):
        return UNKNOWN
    try:
        return calculate(left, right)
    except ZeroDivisionError:
        return UNKNOWN


def _is_small(value: Any) -> bool:
    return type(value) is int and value.bit_length() < 256


def stored(site: Site, eyes: Eyes) -> Any:
    """The value that an instruction that is about to run writes."""
    match site.statement:
        case ast.Assign(targets=[target], value=value) if target is site.node:
            return eyes.value(value)
        case ast.AnnAssign(target=target, value=ast.expr() as value) if target is site.node:
            return eyes.value(value)
        case ast.AugAssign(target=target, op=op, value=value) if target is site.node:
            return combined(type(op), eyes.read.get(site.span, UNKNOWN), eyes.value(value))
        case _:
            return UNKNOWN
