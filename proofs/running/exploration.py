"""The states that a system reaches over a few elements, by running it: a check beside the proof, not part of it.

The idea: the actions that were proved are run from the initial state, breadth first (`explore`) or at random
(`walk`). That knows what an inductive argument does not, whether a bad state can be reached at all: a
refuted obligation that no run reaches may be an invariant that asks too much, and one that a run reaches is a
bug with a history. What the initial condition leaves open is the first element of its sort.

How often an action may happen in a run is part of the explored state: `bounded` writes a counter into the system.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from mapproof.proofs.chapters import Bound
from mapproof.proofs.running.concrete import Machine, Move
from mapproof.proofs.running.layout import State, Value, elements_of
from mapproof.proofs.running.symmetry import Symmetry
from mapproof.proofs.terms import Field, Globals, Int, ModelError, recording, when
from mapproof.proofs.transition_system import Action, System
from mapproof.proofs.tree import functions_read

Trace: TypeAlias = tuple[tuple[str, tuple[Value, ...]], ...]
"""Steps from the initial state: names of actions and of their arguments."""

_STATES_BETWEEN_LOOKS_AT_THE_CLOCK = 256


@dataclass(frozen=True, slots=True)
class Exploration:
    """How many states were reached, whether those were all within the bound, and what was broken.

    `broken` are the statements that the last step of `trace` breaks, a shortest one; `runs` has a shortest trace for
    every statement found broken. With symmetry, `states` counts those that no renaming makes equal.
    """

    states: int
    exhausted: bool
    broken: tuple[str, ...] = ()
    trace: Trace = ()
    runs: Mapping[str, Trace] = field(default_factory=dict)


def bounded(system: System, at_most: Mapping[str, int]) -> System:
    """The system in which each named action counts how often it has happened, and then can happen no more.

    Raises `ModelError` when there is no such action.
    """
    if unknown := at_most.keys() - system.actions.keys():
        raise ModelError(f"{system.name} has no action {', '.join(sorted(unknown))} to bound")
    if not at_most:
        return system
    counters = type("Times", (Globals,), {name: Field(Int, ghost=True) for name in at_most}, prefix="times")
    times = counters()

    def counted(action: Action, most: int) -> Action:
        with recording() as said:
            when(getattr(times, action.name) < most)
            setattr(times, action.name, getattr(times, action.name) + 1)
        return replace(action, guards=(*action.guards, *said.guards), writes=(*action.writes, *said.writes))

    with recording() as said:
        for name in at_most:
            setattr(times, name, 0)
    return replace(
        system,
        state=(*system.state, counters),
        initial=replace(system.initial, writes=(*system.initial.writes, *said.writes)),
        actions={
            **system.actions,
            **{name: counted(system.actions[name], most) for name, most in at_most.items()},
        },
    )


def machine_within(system: System, bound: Bound) -> Machine:
    """The part of the system that a bound speaks of. Raises `ModelError` when the bound does not fit the system."""
    return Machine(bounded(system, bound.at_most), elements_of(system, bound))


def explore(
    machine: Machine,
    *,
    most_states: int = 10**9,
    seconds: float = float("inf"),
    invariants: bool = True,
    allowed: Callable[[State], bool] | None = None,
    symmetric: bool = False,
    until_claim: bool = False,
) -> Exploration:
    """Run every action in every state reached, breadth first, until something is broken or the budget is spent.

    States where `allowed` is false are not entered: that bounds the scenario. With `invariants` false only the
    claims are looked at, which is what a user of the map could notice; else every invariant, lemma and property of
    steps too. With `symmetric` one state stands for all its renamings; then `allowed` may name no element. With
    `until_claim` only a false claim ends it: what else was broken is noted in `runs`, and the search goes on.
    """
    search = _Search(machine, Symmetry(machine) if symmetric else lambda state: state, invariants)
    deadline = time.monotonic() + seconds
    return search.run(most_states, deadline, allowed or (lambda state: True), until_claim)


class _Search:
    """One breadth-first search. A statement is asked until it is broken; so it held in every state met before, and
    after an action that writes nothing that it reads it need not be asked."""

    def __init__(self, machine: Machine, canonical: Callable[[State], State], invariants: bool) -> None:
        self._machine, self._canonical = machine, canonical
        system = machine.system
        self._claiming = {action.name for action in system.actions.values() if action.claims}
        self._asked = dict[str, Callable[[State], bool]]()
        self._reads = dict[str, frozenset[str]]()
        if invariants:
            formulas = {i.name: i.formula for i in system.invariants.values()}
            formulas |= {made.name: made.formula for made in system.lemmas.values()}
            self._asked = {name: machine.predicate(name) for name in formulas}
            self._reads = {name: functions_read(formula) for name, formula in formulas.items()}
        self._kept = list(system.step_properties) if invariants else []
        self._concerned = self._concern()
        self._came_from: dict[State, State | None] = {}
        self._runs: dict[str, Trace] = {}

    def _concern(self) -> dict[str, list[tuple[str, Callable[[State], bool]]]]:
        """For each action the statements that it may break."""
        written = {a.name: {w.function.name for w in a.writes} for a in self._machine.system.actions.values()}
        return {
            action: [(name, p) for name, p in self._asked.items() if self._reads[name] & writes]
            for action, writes in written.items()
        }

    def run(
        self, most_states: int, deadline: float, allowed: Callable[[State], bool], until_claim: bool
    ) -> Exploration:
        first = self._canonical(self._machine.initial())
        self._came_from[first] = None
        if broken := tuple(name for name, holds in self._asked.items() if not holds(first)):
            self._note(broken, ())
            if not until_claim:
                return self._ended(False, broken, ())
        level = [first]
        while level:
            following: list[State] = []
            for number, state in enumerate(level):
                if number % _STATES_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and time.monotonic() > deadline:
                    return self._ended(False)
                for move, after in self._machine.successors(state):
                    if not allowed(after):
                        continue
                    there = self._canonical(after)
                    claims = self._machine.broken_claims(state, move) if move[0] in self._claiming else ()
                    broken = (*claims, *self._lost(state, after))
                    if there not in self._came_from:
                        if len(self._came_from) >= most_states:
                            return self._ended(False)
                        self._came_from[there] = state
                        following.append(there)
                        broken += tuple(name for name, holds in self._concerned[move[0]] if not holds(after))
                    if broken:
                        trace = self._trace(state, broken)
                        self._note(broken, trace)
                        if claims or not until_claim:
                            return self._ended(False, broken, trace)
            level = following
        return self._ended(True)

    def _lost(self, state: State, after: State) -> tuple[str, ...]:
        return tuple(name for name in self._kept if not self._machine.keeps(state, after, name))

    def _note(self, broken: tuple[str, ...], trace: Trace) -> None:
        """What is broken is known now, and is not asked again."""
        for name in broken:
            self._runs.setdefault(name, trace)
            self._asked.pop(name, None)
        self._kept = [name for name in self._kept if name not in broken]
        self._concerned = self._concern()

    def _ended(self, exhausted: bool, broken: tuple[str, ...] = (), trace: Trace = ()) -> Exploration:
        return Exploration(len(self._came_from), exhausted, broken, trace, self._runs)

    def _trace(self, last: State, broken: tuple[str, ...]) -> Trace:
        """Steps that really follow one another, through renamings of the states on the way to `last`, and one more
        that breaks the same statements."""
        path: list[State] = []
        here: State | None = last
        while here is not None:
            path.append(here)
            here = self._came_from[here]
        state, moves = self._machine.initial(), list[Move]()
        for canonical in reversed(path[:-1]):
            move, state = next(
                found for found in self._machine.successors(state) if self._canonical(found[1]) == canonical
            )
            moves.append(move)
        moves.append(
            next(
                move
                for move, after in self._machine.successors(state)
                if set(broken) <= set(broken_by(self._machine, state, move, after))
            )
        )
        return tuple(map(self._machine.named, moves))


def broken_by(machine: Machine, state: State, move: Move, after: State) -> tuple[str, ...]:
    """Every claim of the move, property of the step, and invariant and lemma of the state after it that is false."""
    system = machine.system
    return (
        *machine.broken_claims(state, move),
        *(name for name in system.step_properties if not machine.keeps(state, after, name)),
        *(name for name in (*system.invariants, *system.lemmas) if not machine.holds(after, name)),
    )


def walk(machine: Machine, *, walks: int, length: int, seed: int) -> Exploration:
    """Random runs of at most `length` steps, until a claim breaks; deep where `explore` is wide.

    A running operation is preferred to a new call, four to one, so that calls end. Nothing is ever exhausted
    here; `states` counts the steps.
    """
    choose, steps = random.Random(seed), 0
    for _ in range(walks):
        state, moves = machine.initial(), list[Move]()
        while len(moves) < length and (found := machine.successors(state)):
            running = [step for step in found if step[0][0] != "invoke"]
            move, after = choose.choice(running if running and choose.random() < 0.8 else found)
            moves.append(move)
            steps += 1
            if broken := machine.broken_claims(state, move):
                trace = tuple(map(machine.named, moves))
                return Exploration(steps, False, broken, trace, dict.fromkeys(broken, trace))
            state = after
    return Exploration(steps, False)


def replayed(machine: Machine, trace: Trace) -> Iterable[tuple[State, State]]:
    """The states before and after each step of a trace. Raises `ModelError` where a step cannot happen."""
    state = machine.initial()
    for action, arguments in trace:
        step = machine.step(state, action, *arguments)
        if step is None:
            raise ModelError(f"{action}{arguments} cannot happen there")
        yield state, step.after
        state = step.after


def rendered(machine: Machine, trace: Trace) -> str:
    """A line for each step: who does it, the action, its line of code, and what it changes of the code's variables."""
    return "\n".join(
        _line(machine, action, arguments, before, after)
        for (action, arguments), (before, after) in zip(trace, replayed(machine, trace), strict=True)
    )


def _line(machine: Machine, action: str, arguments: tuple[Value, ...], before: State, after: State) -> str:
    made = machine.action(action)
    who = f"{arguments[0]}: " if arguments else ""
    others = zip(made.parameters[1:], arguments[1:], strict=True)
    choice = ", ".join(f"{parameter.name}={value}" for parameter, value in others)
    changed = [
        f"{f.label.format(*cell)} = {machine.layout.value(f.result, new)}"
        for (f, cell), old, new in zip(machine.layout.places, before, after, strict=True)
        if old != new and not f.ghost
    ]
    called = f"{action}({choice})" if choice else action
    return "  ".join(part for part in (f"{who}{called}", made.words, "; ".join(changed)) if part)
