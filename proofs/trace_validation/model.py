"""The model on the other side of a validation: its states, numbered, each looked at once.

The idea: schedules of one scenario share most of their states, so a state is a number, and what was asked of it
(does every invariant hold? what does this action make of it?) is remembered. A run that repeats what earlier ones
did costs a few look-ups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from mapproof.proofs.running.concrete import Machine
from mapproof.proofs.running.layout import State, Value
from mapproof.proofs.terms import Field
from mapproof.proofs.trace_validation.binding import Cell, View
from mapproof.proofs.transition_system import Action, System
from mapproof.proofs.tree import Apply, Constant, Node, Read


@dataclass(frozen=True, slots=True)
class Reached:
    """The number of the state after a step, and what is broken by the step or there: titles and names."""

    state: int
    broken: tuple[str, ...]


class Model:
    """A system over given elements, from its initial state on; states are numbers.

    `given` says what cells are in the initial state that the system leaves open, by the name of the state function.
    """

    def __init__(
        self,
        system: System,
        domains: Mapping[str, tuple[str, ...]],
        given: Mapping[str, Mapping[tuple[Value, ...], Value]],
    ) -> None:
        self.system = system
        self.machine = Machine(system, domains)
        self._states: list[State] = []
        self._numbers: dict[State, int] = {}
        self._broken: list[tuple[str, ...]] = []
        self._steps: dict[tuple[int, str, tuple[Value, ...]], Reached | None] = {}
        self.initial = self._number(self._first(given))

    @property
    def states(self) -> int:
        """How many states were met, and checked."""
        return len(self._states)

    def broken(self, state: int) -> tuple[str, ...]:
        """The names of the invariants that are false in the state."""
        return self._broken[state]

    def value(self, state: int, cell: Cell) -> Value:
        """The value of one cell."""
        return self.machine.read(self._states[state], cell[0], *cell[1])

    def view(self, state: int) -> View:
        """To read the state by fields."""
        return _View(self.machine, self._states[state])

    def step(self, state: int, action: str, arguments: tuple[Value, ...]) -> Reached | None:
        """Do the action; None when it cannot happen in this state."""
        key = state, action, arguments
        if key not in self._steps:
            self._steps[key] = self._do(state, action, arguments)
        return self._steps[key]

    def arguments(self, action: Action, thread: str) -> Iterator[tuple[Value, ...]]:
        """Every choice of the arguments of an action of this thread."""
        others = (self.machine.domains[parameter.sort.__name__] for parameter in action.parameters[1:])
        return ((thread, *more) for more in product(*others))

    def _first(self, given: Mapping[str, Mapping[tuple[Value, ...], Value]]) -> State:
        arbitrary = self.machine.decode(self.machine.initial())
        for name, cells in given.items():
            arbitrary[name].update(cells)
        return self.machine.initial(self.machine.encode(arbitrary))

    def _do(self, state: int, action: str, arguments: tuple[Value, ...]) -> Reached | None:
        before = self._states[state]
        step = self.machine.step(before, action, *arguments)
        if step is None:
            return None
        after = self._number(step.after)
        keeps, properties = self.machine.keeps, self.system.step_properties
        lost = (name for name in properties if not keeps(before, step.after, name))
        return Reached(after, (*step.broken_claims, *self._broken[after], *lost))

    def _number(self, state: State) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
            holds, invariants = self.machine.holds, self.system.invariants
            self._broken.append(tuple(name for name in invariants if not holds(state, name)))
        return number


class _View:
    """One state of a machine."""

    def __init__(self, machine: Machine, state: State) -> None:
        self._machine = machine
        self._state = state

    def __call__(self, read: Field[Any], *arguments: Value) -> Value:
        return self._machine.read(self._state, read.function.name, *arguments)

    def elements(self, sort: str) -> tuple[Value, ...]:
        return self._machine.domains[sort]


def places(action: Action, pc: str) -> frozenset[str]:
    """The values that the guards of the action let the state function `pc` have; none: any."""
    found = (_places(guard, pc) for guard in action.guards)
    return next((places for places in found if places), frozenset())


def _places(node: Node, pc: str) -> frozenset[str]:
    match node:
        case Apply("==", (Read(function, _), Constant(value=value))) if function.name == pc:
            return frozenset({str(value)})
        case Apply("or", parts) if parts:
            found = [_places(part, pc) for part in parts]
            return frozenset().union(*found) if all(found) else frozenset()
        case Apply("and", parts):
            return next((places for part in parts if (places := _places(part, pc))), frozenset())
    return frozenset()
