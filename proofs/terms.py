"""The language in which a system is written: sorts, their fields, and terms over them.

The idea: ordinary-looking Python builds a tree, once. `t.entry.p == t.loaded` is not a truth value but a
term; what it means for Z3 (`symbolic.py`) and on plain Python values (`concrete.py`) is read off the same
tree, so the two cannot drift apart. A class of elements is a sort, its attributes are functions of the
element, as in `entry.p` for p(entry).

Two rules keep it sound. A term used where Python wants a truth value (`if`, `and`, `not`, `in`) raises
`TermUsedAsTruth`: Z3's own terms would answer by comparing syntax. And the fields of a system may not run in
a circle of unbounded sorts (`transition_system.system` checks it): so the quantified questions asked here stay
in a fragment that Z3 decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar, overload

from mapproof.proofs.tree import After, Apply, Claim, Constant, Forall, Function, Node, Read, Variable, Write


class TermUsedAsTruth(TypeError):
    """A symbolic term stood where Python needs True or False."""


class ModelError(Exception):
    """The text of a system is wrong: sorts do not fit, a field is unknown, a field is read after its write."""


# ------------------------------------------------------------------------------------------------ terms


class Term:
    """A value that depends on the state; `node` is its tree."""

    __slots__ = ("node",)
    node: Node

    def __init__(self, node: Node) -> None:
        object.__setattr__(self, "node", node)

    def __bool__(self) -> NoReturn:
        raise TermUsedAsTruth(
            "a term has no truth value: write all_of, any_of, ~, implies, If in place of and, or, not, if"
        )

    def __eq__(self, other: object) -> Bool:  # type: ignore[override]
        return Bool(Apply("==", (self.node, lift(other, type(self)))))

    def __ne__(self, other: object) -> Bool:  # type: ignore[override]
        return ~(self == other)

    def __hash__(self) -> int:
        raise TermUsedAsTruth(
            "a term cannot be looked up in a set or a dict: it is not yet equal to anything"
        )

    def __setattr__(self, name: str, value: object) -> None:
        _assign(self, name, value)


T = TypeVar("T", bound=Term)
A = TypeVar("A", bound=Term)
B = TypeVar("B", bound=Term)
C = TypeVar("C", bound=Term)


class Bool(Term):
    """A formula. `&`, `|` and `~` bind tighter than `==`: put comparisons in brackets, or use all_of, any_of."""

    __slots__ = ()

    def __and__(self, other: Bool) -> Bool:
        return all_of(self, other)

    def __or__(self, other: Bool) -> Bool:
        return any_of(self, other)

    def __invert__(self) -> Bool:
        return Bool(Apply("not", (self.node,)))


class Int(Term):
    """An integer, unbounded; not to be quantified over."""

    __slots__ = ()

    def __add__(self, other: Int | int) -> Int:
        return Int(Apply("+", (self.node, lift(other, Int))))

    def __sub__(self, other: Int | int) -> Int:
        return Int(Apply("-", (self.node, lift(other, Int))))

    def __mul__(self, factor: int) -> Int:
        """By a number that is known: products of two terms would leave linear arithmetic, which Z3 decides."""
        return Int(Apply("*", (self.node, Constant(Int, factor))))

    def __lt__(self, other: Int | int) -> Bool:
        return Bool(Apply("<", (self.node, lift(other, Int))))

    def __le__(self, other: Int | int) -> Bool:
        return Bool(Apply("<=", (self.node, lift(other, Int))))

    def __gt__(self, other: Int | int) -> Bool:
        return ~(self <= other)

    def __ge__(self, other: Int | int) -> Bool:
        return ~(self < other)


class Enumeration(Term):
    """A sort with finitely many labels: the class annotations `NAME: ItsOwnClass`, in their order."""

    labels: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.labels = tuple(cls.__annotations__)
        for label in cls.labels:
            setattr(cls, label, cls(Constant(cls, label)))


class Sort(Term):
    """A sort with any number of elements: subclass it, give the subclass fields, and name known elements.

    `prefix` begins the names of the others in counterexamples: k0, k1 for keys.
    """

    functions: ClassVar[tuple[Function, ...]] = ()
    named: ClassVar[tuple[str, ...]] = ()
    prefix: ClassVar[str] = ""

    def __init_subclass__(cls, prefix: str = "") -> None:
        cls.prefix = prefix or cls.__name__[0].lower()
        cls.functions, cls.named = _functions_of(cls, (cls,), "{0}"), ()

    @classmethod
    def element(cls, name: str) -> Self:
        """A named element, different from every other named element of the sort."""
        cls.named += (name,)
        return cls(Constant(cls, name))


class Globals:
    """The variables that exist once, such as the fields of the map under proof. Make one instance of it.

    `prefix` is the name of that instance.
    """

    functions: ClassVar[tuple[Function, ...]] = ()

    def __init_subclass__(cls, prefix: str) -> None:
        cls.functions = _functions_of(cls, (), prefix)

    def __setattr__(self, name: str, value: object) -> None:
        _assign(self, name, value)


# ------------------------------------------------------------------------------------------------ fields


class Field(Generic[T]):
    """A variable that every element of the class has: `p = Field(Pointer)` makes `entry.p`."""

    function: Function

    def __init__(self, result: type[T], *, ghost: bool = False) -> None:
        self.result, self.ghost = result, ghost
        self.index: tuple[type[Term], ...] = ()

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def bind(self, owner: type, subject: tuple[type[Term], ...], label: str) -> Function:
        label = f"{label}.{self.name}" + "".join(f"[{{{len(subject)}}}]" for _ in self.index)
        name = f"{owner.__name__}.{self.name}"
        self.function = Function(name, label, subject + self.index, self.result, self.ghost)
        return self.function

    @overload
    def __get__(self, subject: None, owner: type) -> Self: ...
    @overload
    def __get__(self, subject: Sort | Globals, owner: type) -> T: ...
    def __get__(self, subject: Sort | Globals | None, owner: type) -> Self | T:
        return self if subject is None else self._read(_arguments(subject))

    def __set__(self, subject: Sort | Globals, value: T | bool | int) -> None:
        self._write(_arguments(subject), value)

    def _read(self, arguments: tuple[Node, ...]) -> T:
        if _recordings and any(write.function is self.function for write in _recordings[-1].writes):
            raise ModelError(f"{self.function.name} is read after it was written in the same action")
        return self.result(Read(self.function, arguments))

    def _write(self, arguments: tuple[Node, ...], value: object) -> None:
        if not _recordings:
            raise ModelError(f"{self.function.name} is assigned outside an action")
        _recordings[-1].writes.append(Write(self.function, (), arguments, lift(value, self.result)))


class Table(Field[T], Generic[A, T]):
    """A field with an index: `entry = Table(Key, Entry)` makes `some_map.entry[k]`, readable and assignable."""

    def __init__(self, index: type[A], result: type[T], *, ghost: bool = False) -> None:
        super().__init__(result, ghost=ghost)
        self.index = (index,)

    @overload  # type: ignore[override]
    def __get__(self, subject: None, owner: type) -> Self: ...
    @overload
    def __get__(self, subject: Sort | Globals, owner: type) -> Cells[A, T]: ...
    def __get__(self, subject: Sort | Globals | None, owner: type) -> Self | Cells[A, T]:
        return self if subject is None else Cells(self, _arguments(subject))

    def __set__(self, subject: Sort | Globals, value: object) -> NoReturn:
        raise ModelError(f"assign one cell of {self.function.name}, or use everywhere")


class Cells(Generic[A, T]):
    """A `Table` of one element, waiting for its index."""

    def __init__(self, table: Table[A, T], subject: tuple[Node, ...]) -> None:
        self._table, self._subject = table, subject

    def __getitem__(self, index: A) -> T:
        return self._table._read((*self._subject, lift(index, self._table.index[0])))

    def __setitem__(self, index: A, value: T | bool | int) -> None:
        self._table._write((*self._subject, lift(index, self._table.index[0])), value)


def _functions_of(owner: type, subject: tuple[type[Term], ...], label: str) -> tuple[Function, ...]:
    return tuple(made.bind(owner, subject, label) for made in vars(owner).values() if isinstance(made, Field))


def _assign(subject: object, name: str, value: Any) -> None:
    """Assign a declared field; a misspelt name would otherwise silently be an ordinary attribute."""
    declared = getattr(type(subject), name, None)
    if not isinstance(declared, Field) or not isinstance(subject, Sort | Globals):
        raise ModelError(f"{type(subject).__name__} has no field {name}")
    declared.__set__(subject, value)


def _arguments(subject: Sort | Globals) -> tuple[Node, ...]:
    return (subject.node,) if isinstance(subject, Sort) else ()


# ------------------------------------------------------------------------------------------------ operators


def lift(value: object, sort: type[Term]) -> Node:
    """The tree of a term of this sort, or of a Python bool or int where the sort is `Bool` or `Int`.

    Raises `ModelError` when the value is of another sort: comparing a key with a pointer is never meant.
    """
    if isinstance(value, Term) and type(value) is sort:
        return value.node
    if isinstance(value, bool) and sort is Bool:
        return Constant(Bool, value)
    if isinstance(value, int) and not isinstance(value, bool) and sort is Int:
        return Constant(Int, value)
    raise ModelError(f"expected a {sort.__name__}, got {type(value).__name__}")


def formula(value: Bool) -> Node:
    """The tree of a formula. Raises `ModelError` for True and False, which no formula of the state is.

    They come from `is`, or from a comparison of Python values, where one of terms was meant.
    """
    if not isinstance(value, Bool):
        raise ModelError(f"expected a formula, got {value!r}")
    return value.node


def all_of(*parts: Bool) -> Bool:
    """True when every part is; true of no parts."""
    return Bool(Apply("and", tuple(formula(part) for part in parts)))


def any_of(*parts: Bool) -> Bool:
    """True when some part is; false of no parts."""
    return Bool(Apply("or", tuple(formula(part) for part in parts)))


def implies(premise: Bool, *conclusions: Bool) -> Bool:
    """Where the premise holds, every conclusion does."""
    return Bool(Apply("implies", (formula(premise), all_of(*conclusions).node)))


def If(condition: Bool, then: T, otherwise: T) -> T:
    """`then` where the condition holds, else `otherwise`."""
    sort = type(then)
    return sort(Apply("if", (formula(condition), lift(then, sort), lift(otherwise, sort))))


def after(value: T) -> T:
    """The value in the state after the step; only a `step_property` may speak of it."""
    return type(value)(After(value.node))


def count(condition: Bool) -> Int:
    """1 where the condition holds, else 0."""
    return If(condition, Int(Constant(Int, 1)), Int(Constant(Int, 0)))


def one_of(value: T, *choices: T) -> Bool:
    """The value is one of the choices."""
    return any_of(*(value == choice for choice in choices))


@overload
def forall(a: type[A], body: Callable[[A], Bool], /) -> Bool: ...
@overload
def forall(a: type[A], b: type[B], body: Callable[[A, B], Bool], /) -> Bool: ...
@overload
def forall(a: type[A], b: type[B], c: type[C], body: Callable[[A, B, C], Bool], /) -> Bool: ...
def forall(*sorts_and_body: Any) -> Bool:
    """`forall(Key, lambda k: ...)`: the body holds for all elements; up to three sorts."""
    *sorts, body = sorts_and_body
    variables = fresh_variables(tuple(sorts), body)
    return Bool(Forall(variables, formula(body(*as_terms(variables)))))


def everywhere(cells: Field[Any], value: Callable[..., Any]) -> None:
    """Assign every cell of a field at once: `everywhere(Thread.seen, lambda u, x: ...)`."""
    if not _recordings:
        raise ModelError(f"{cells.function.name} is assigned outside an action")
    variables = fresh_variables(cells.function.arguments, value)
    new = lift(value(*as_terms(variables)), cells.function.result)
    _recordings[-1].writes.append(Write(cells.function, variables, variables, new))


_fresh = itertools.count(1)


def fresh_variables(sorts: tuple[type[Term], ...], body: Callable[..., Any]) -> tuple[Variable, ...]:
    """Bound variables named after the parameters of `body`, made unique by a number."""
    names = body.__code__.co_varnames[: len(sorts)]
    return tuple(Variable(sort, f"{name}__{next(_fresh)}") for sort, name in zip(sorts, names, strict=True))


def as_terms(variables: tuple[Variable, ...]) -> list[Term]:
    """The variables as terms of their sorts."""
    return [variable.sort(variable) for variable in variables]


# ------------------------------------------------------------------------------------------------ recording


@dataclass(slots=True)
class Recording:
    """What the body of an action said, in its order."""

    guards: list[Node] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)


_recordings: list[Recording] = []


@contextmanager
def recording() -> Iterator[Recording]:
    """Collect what `when`, `claim`, assignments and `everywhere` say inside the block."""
    made = Recording()
    _recordings.append(made)
    try:
        yield made
    finally:
        _recordings.pop()


def when(*guards: Bool) -> None:
    """The action can only happen where all of these hold."""
    _current("when").guards.extend(formula(guard) for guard in guards)


def claim(title: str, statement: Bool) -> None:
    """Wherever the action can happen, the statement must hold: proved, not assumed."""
    _current("claim").claims.append(Claim(title, formula(statement)))


def _current(what: str) -> Recording:
    if not _recordings:
        raise ModelError(f"{what} stands outside an action")
    return _recordings[-1]
