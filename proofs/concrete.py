"""A system on plain Python values, over sorts with a few named elements.

The idea: a tree of `terms.py` is written out as a Python expression, and so is an action, and Python
evaluates them. So the meaning here owes nothing to Z3, which makes it a second opinion on every
counterexample, the judge of recorded steps, and a small model checker.

A state is a dict from the name of a state function to its table, a dict from argument tuples to values.
Elements and labels are strings; the argument tuple of a variable that exists once is empty.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mapproof.proofs.terms import Bool, Int, ModelError, Term, all_of
from mapproof.proofs.transition_system import Action, System
from mapproof.proofs.tree import After, Apply, Constant, Forall, Function, Node, Read, Variable, Write

Value: TypeAlias = str | int
Table: TypeAlias = Mapping[tuple[Value, ...], Value]
State: TypeAlias = dict[str, Table]

_STATE, _LATER, _DOMAINS = "_state_", "_later_", "_domains_"
"""What the written-out Python calls the state, the one after the step, and the domains: names that no parameter has."""

_INFIX = {name: f" {name} " for name in ("and", "or", "==", "+", "-", "*", "<", "<=")}


@dataclass(frozen=True, slots=True)
class Step:
    """What an action does to a state: the state after it, and the titles of the claims that were false."""

    after: State
    broken_claims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    enabled: Callable[..., bool]
    claims: tuple[tuple[str, Callable[..., bool]], ...]
    writes: Callable[..., State]


class Machine:
    """A system over given elements: `domains` maps the name of each sort to the names of its elements.

    The elements that the system names must be among them. Raises `ModelError` otherwise.
    """

    def __init__(self, system: System, domains: Mapping[str, tuple[str, ...]]) -> None:
        for sort in system.sorts:
            if missing := [name for name in sort.named if name not in domains.get(sort.__name__, ())]:
                raise ModelError(f"{sort.__name__} needs the elements {', '.join(missing)}")
        self.system = system
        self.domains: dict[str, tuple[Value, ...]] = {
            **domains,
            **{sort.__name__: sort.labels for sort in system.enumerations},
            "Bool": (False, True),
        }
        self._actions = {
            a.name: self._compile(a) for a in (system.initial, system.observation, *system.actions.values())
        }
        self._invariants = {i.name: self._expression(i.formula, ()) for i in system.invariants.values()}
        self._kept = {p.name: self._between(p.formula) for p in system.step_properties.values()}

    def initial(self, arbitrary: State | None = None) -> State:
        """An initial state. What it leaves open is taken from `arbitrary`, or is the first of its domain."""
        return self._actions[self.system.initial.name].writes(arbitrary or self._first_state())

    def arguments(self, action: Action) -> Iterator[tuple[Value, ...]]:
        """Every choice of the action's parameters."""
        return itertools.product(*(self.domains[p.sort.__name__] for p in action.parameters))

    def enabled(self, state: State, action: str, *arguments: Value) -> bool:
        """Whether all guards of the action hold."""
        return bool(self._actions[action].enabled(state, *arguments))

    def step(self, state: State, action: str, *arguments: Value) -> Step | None:
        """Do the action; None when it cannot happen in this state. `state` is left as it is."""
        compiled = self._actions[action]
        if not compiled.enabled(state, *arguments):
            return None
        broken = tuple(title for title, holds in compiled.claims if not holds(state, *arguments))
        return Step(compiled.writes(state, *arguments), broken)

    def holds(self, state: State, invariant: str) -> bool:
        """Whether the invariant is true of the state."""
        return bool(self._invariants[invariant](state))

    def keeps(self, before: State, later: State, step_property: str) -> bool:
        """Whether a step from one state to the other has the property."""
        return bool(self._kept[step_property](before, later))

    def evaluate(self, state: State, node: Node, scope: Mapping[Variable, Value]) -> Value:
        """The value of any tree in a state, its free variables given by `scope`."""
        variables = tuple(scope)
        value: Value = self._expression(node, variables)(state, *(scope[v] for v in variables))
        return value

    def _first_state(self) -> State:
        return {f.name: dict.fromkeys(self._cells(f), self._first(f.result)) for f in self.system.functions}

    def _cells(self, function: Function) -> Iterator[tuple[Value, ...]]:
        return itertools.product(*(self.domains[sort.__name__] for sort in function.arguments))

    def _first(self, sort: type[Term]) -> Value:
        return 0 if sort is Int else self.domains[sort.__name__][0]

    def _expression(self, node: Node, parameters: tuple[Variable, ...]) -> Callable[..., Any]:
        return self._function(python(node), parameters)

    def _between(self, node: Node) -> Callable[..., Any]:
        made: Callable[..., Any] = eval(
            f"lambda {_STATE}, {_LATER}: {python(node)}", {_DOMAINS: self.domains}
        )
        return made

    def _function(self, source: str, parameters: tuple[Variable, ...]) -> Callable[..., Any]:
        names = ", ".join([_STATE, *(p.name for p in parameters)])
        made: Callable[..., Any] = eval(f"lambda {names}: {source}", {_DOMAINS: self.domains})
        return made

    def _compile(self, action: Action) -> _Compiled:
        return _Compiled(
            self._expression(all_of(*(Bool(guard) for guard in action.guards)).node, action.parameters),
            tuple((c.title, self._expression(c.formula, action.parameters)) for c in action.claims),
            self._function(_after(action.writes), action.parameters),
        )


def _after(writes: tuple[Write, ...]) -> str:
    """The state after the writes. Every value is computed from the state before; a later write wins."""
    tables: dict[str, list[str]] = {}
    for write in writes:
        cell = f"{_tuple(write.arguments)}: {python(write.value)}"
        if write.variables:
            cell = f"**{{{cell} {_loops(write.variables)}}}"
        tables.setdefault(write.function.name, []).append(cell)
    changed = (f"{name!r}: {{**{_STATE}[{name!r}], {', '.join(cells)}}}" for name, cells in tables.items())
    return f"{{**{_STATE}, {', '.join(changed)}}}"


def _loops(variables: tuple[Variable, ...]) -> str:
    return " ".join(f"for {v.name} in {_DOMAINS}[{v.sort.__name__!r}]" for v in variables)


def _tuple(nodes: tuple[Node, ...]) -> str:
    return "(" + "".join(f"{python(node)}, " for node in nodes) + ")"


def python(node: Node, state: str = _STATE) -> str:
    """The node as a Python expression over a state, domains and its free variables."""
    match node:
        case Constant(value=value):
            return repr(value)
        case Variable(name=name):
            return name
        case Read(function, arguments):
            cell = "".join(f"{python(argument, state)}, " for argument in arguments)
            return f"{state}[{function.name!r}][({cell})]"
        case Forall(variables, body):
            return f"all({python(body, state)} {_loops(variables)})"
        case Apply(operator, arguments):
            return _apply(operator, [python(argument, state) for argument in arguments])
        case After(body):
            return python(body, _LATER)


def _apply(operator: str, parts: list[str]) -> str:
    match operator, parts:
        case "not", [part]:
            return f"(not {part})"
        case "implies", [premise, conclusion]:
            return f"(not {premise} or {conclusion})"
        case "if", [condition, then, otherwise]:
            return f"({then} if {condition} else {otherwise})"
        case (("and" | "or"), []):
            return str(operator == "and")
        case _:
            return f"({_INFIX[operator].join(parts)})"
