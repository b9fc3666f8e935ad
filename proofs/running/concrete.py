"""A system on plain Python values, over sorts with a few named elements.

The idea: the tree of every guard, assignment and statement is written out as Python source over a flat tuple
(`python_source.py`), when it is first asked for, and Python runs it. So the meaning here owes nothing to Z3, which
makes it a second opinion on every counterexample, the judge of recorded steps, and a small model checker.

A state is flat (`layout.py`); `encode` and `decode` go to and from a picture, a dict from the name of a state function
to a dict from the names of its arguments to its value. Elements and labels are strings; the argument tuple of a
variable that exists once is empty.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Self, TypeAlias, TypeVar

from mapproof.proofs.running.layout import Cell, Layout, State, Value
from mapproof.proofs.running.python_source import Writer
from mapproof.proofs.terms import Bool, Enumeration, Int, ModelError, Term
from mapproof.proofs.transition_system import Action, System
from mapproof.proofs.tree import After, Apply, Constant, Node, Read, Variable

Move: TypeAlias = tuple[str, tuple[int, ...]]
"""An action's name and its arguments, as numbers; `Machine.named` gives their names."""
_Each: TypeAlias = Callable[..., None]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Step:
    """What an action does to a state: the state after it, and the titles of the claims that were false."""

    after: State
    broken_claims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """The start of many guards: an action can happen only where the field of `parameter` has one of the labels."""

    read: str
    parameter: Variable
    labels: tuple[str | int, ...]


class _Made(dict[K, V], Generic[K, V]):
    """Makes what it is asked for, once."""

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        self[key] = made = self._make(key)
        return made


class Machine:
    """A system over given elements: `domains` maps the name of each sort to the names of its elements.

    The elements that the system names must be among them. Raises `ModelError` otherwise, and for names of actions,
    statements or elements that there are not.
    """

    def __init__(self, system: System, domains: Mapping[str, tuple[str, ...]]) -> None:
        self.system = system
        self.layout = Layout(system, domains)
        self.domains = self.layout.domains
        self.encode, self.decode = self.layout.encode, self.layout.decode
        self._writer = Writer(self.layout)
        named = (system.initial, system.observation, *system.actions.values())
        self._actions = {action.name: action for action in named}
        self._steps: _Made[str, Callable[..., State | None]] = _Made(
            lambda name: self._writer.step(self.action(name))
        )
        self._claims: _Made[str, Callable[..., tuple[str, ...]]] = _Made(
            lambda name: self._writer.claims(self.action(name))
        )
        self._statements: _Made[str, Callable[[State], bool]] = _Made(self._statement)
        self._kept: _Made[str, Callable[[State, State], bool]] = _Made(self._property)
        self._values: _Made[tuple[Node, tuple[Variable, ...]], Callable[..., int]] = _Made(
            lambda asked: self._writer.value(*asked)
        )
        self._cells: _Made[tuple[str, Cell], tuple[int, type[Term]]] = _Made(self._cell)

    # -------------------------------------------------------------------------------------------- states

    def initial(self, arbitrary: State | None = None) -> State:
        """An initial state. What it leaves open is taken from `arbitrary`, or is the first of its domain."""
        after = self._steps[self.system.initial.name](arbitrary or (0,) * self.layout.length)
        if after is None:
            raise ModelError(f"{self.system.name}: no initial state")
        return after

    def read(self, state: State, function: str, *arguments: Value) -> Value:
        """The value of one cell, as in `read(state, "Thread.pc", "t0")`."""
        slot, result = self._cells[function, arguments]
        return self.layout.value(result, state[slot])

    def _cell(self, asked: tuple[str, Cell]) -> tuple[int, type[Term]]:
        name, arguments = asked
        function = self.layout.functions.get(name)
        if function is None or len(arguments) != len(function.arguments):
            raise ModelError(f"{self.system.name} has no cell {name}{arguments}")
        codes = map(self.layout.code, function.arguments, arguments)
        return self.layout.slot(function, tuple(codes)), function.result

    # -------------------------------------------------------------------------------------------- steps

    def action(self, name: str) -> Action:
        """The action of this name; the initial condition and the observation of any state are such too."""
        if name not in self._actions:
            raise ModelError(f"{self.system.name} has no action {name}")
        return self._actions[name]

    def arguments(self, action: Action) -> Iterator[tuple[Value, ...]]:
        """Every choice of the action's parameters."""
        return itertools.product(*(self.domains[p.sort.__name__] for p in action.parameters))

    def enabled(self, state: State, action: str, *arguments: Value) -> bool:
        """Whether all guards of the action hold."""
        return self._steps[action](state, *self._codes(action, arguments)) is not None

    def step(self, state: State, action: str, *arguments: Value) -> Step | None:
        """Do the action; None when it cannot happen in this state."""
        codes = self._codes(action, arguments)
        after = self._steps[action](state, *codes)
        return None if after is None else Step(after, self._claims[action](state, *codes))

    def _codes(self, action: str, arguments: tuple[Value, ...]) -> list[int]:
        parameters = self.action(action).parameters
        if len(parameters) != len(arguments):
            raise ModelError(f"{action} has {len(parameters)} parameters, not {len(arguments)}")
        return [self.layout.code(p.sort, value) for p, value in zip(parameters, arguments, strict=True)]

    def named(self, move: Move) -> tuple[str, tuple[Value, ...]]:
        """The move with the names of its arguments."""
        action, codes = move
        values = zip(self.action(action).parameters, codes, strict=True)
        return action, tuple(self.layout.value(parameter.sort, code) for parameter, code in values)

    def broken_claims(self, state: State, move: Move) -> tuple[str, ...]:
        """The titles of the claims of a move that are false in the state where it happens."""
        return self._claims[move[0]](state, *move[1])

    # -------------------------------------------------------------------------------------------- truth

    def holds(self, state: State, statement: str) -> bool:
        """Whether the invariant or lemma is true of the state."""
        return bool(self._statements[statement](state))

    def keeps(self, before: State, later: State, step_property: str) -> bool:
        """Whether a step from one state to the other has the property."""
        return bool(self._kept[step_property](before, later))

    def evaluate(self, state: State, node: Node, scope: Mapping[Variable, Value]) -> Value:
        """The value of any tree in a state, its free variables given by `scope`."""
        codes = (self.layout.code(variable.sort, value) for variable, value in scope.items())
        return self.layout.value(sort_of(node), self._values[node, tuple(scope)](state, *codes))

    def cells_read(self, state: State, node: Node, scope: Mapping[Variable, Value]) -> set[tuple[str, Cell]]:
        """The cells that decide the value of the tree, as function and arguments: Python looks no further."""
        watched = _Watched(state)
        self.evaluate(watched, node, scope)
        places = self.layout.places
        return {(places[slot][0].name, places[slot][1]) for slot in watched.seen}

    def predicate(self, statement: str) -> Callable[[State], bool]:
        """The invariant or lemma as a function of the state, for those who ask often."""
        return self._statements[statement]

    def _statement(self, name: str) -> Callable[[State], bool]:
        made = self.system.invariants.get(name) or self.system.lemmas.get(name)
        if made is None:
            raise ModelError(f"{self.system.name} has no invariant or lemma {name}")
        return self._writer.predicate(made.formula)

    def _property(self, name: str) -> Callable[[State, State], bool]:
        if name not in self.system.step_properties:
            raise ModelError(f"{self.system.name} has no property of steps {name}")
        return Writer(self.layout, later="later").predicate(self.system.step_properties[name].formula)

    # -------------------------------------------------------------------------------------------- successors

    def successors(self, state: State) -> list[tuple[Move, State]]:
        """Every move that can be made in the state, with the state after it."""
        moves: list[tuple[Move, State]] = []
        by_place, anywhere = self._tried
        for slots, tried in by_place:
            for element, slot in enumerate(slots):
                for each in tried[state[slot]]:
                    each(state, element, moves.append)
        for each in anywhere:
            each(state, moves.append)
        return moves

    @cached_property
    def _tried(self) -> tuple[list[tuple[range, list[list[_Each]]]], list[_Each]]:
        """The actions to be tried: for the slots of a field, those that want the label found there; and the others."""
        places = {action: _place(action) for action in self.system.actions.values()}
        by_place = []
        for name in sorted({place.read for place in places.values() if place is not None}):
            read, start = self.layout.functions[name], self.layout.offsets[name]
            tried: list[list[_Each]] = [[] for _ in range(self.layout.size(read.result))]
            for action, place in places.items():
                if place is not None and place.read == name:
                    each = self._writer.each(action, place.parameter)
                    for label in place.labels:
                        tried[self.layout.code(read.result, label)].append(each)
            by_place.append((range(start, start + self.layout.count(read)), tried))
        return by_place, [self._writer.each(action, None) for action, p in places.items() if p is None]


def _place(action: Action) -> _Place | None:
    """The first guard that says at which labels a field of one parameter must be."""
    for guard in action.guards:
        alternatives = guard.arguments if isinstance(guard, Apply) and guard.operator == "or" else (guard,)
        labels: list[str | int] = []
        read: Read | None = None
        for alternative in alternatives:
            match alternative:
                case Apply("==", (Read(_, (Variable(),)) as found, Constant(sort, value))) if issubclass(
                    sort, Enumeration
                ) and (read is None or _same(read, found)):
                    read, labels = found, [*labels, value]
                case _:
                    break
        else:
            if read is not None and isinstance(parameter := read.arguments[0], Variable):
                return _Place(read.function.name, parameter, tuple(dict.fromkeys(labels)))
    return None


def _same(left: Read, right: Read) -> bool:
    return left.function is right.function and left.arguments == right.arguments


class _Watched(tuple[int, ...]):
    """A flat state that notes which of its slots are looked at."""

    seen: set[int]

    def __new__(cls, state: State) -> Self:
        made = super().__new__(cls, state)
        made.seen = set()
        return made

    def __getitem__(self, slot: Any) -> Any:
        self.seen.add(slot)
        return super().__getitem__(slot)


def sort_of(node: Node) -> type[Term]:
    """The sort of a tree's value."""
    match node:
        case Constant(sort, _) | Variable(sort, _):
            return sort
        case Read(function, _):
            return function.result
        case Apply("if", (_, then, _)):
            return sort_of(then)
        case Apply("+" | "-" | "*", _):
            return Int
        case After(body):
            return sort_of(body)
        case _:
            return Bool
