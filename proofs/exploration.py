"""The states that a system reaches over a few elements, by running it: a check beside the proof, not part of it.

The idea: the actions that were proved are run from the initial state, breadth first (`explore`) or at random
(`walk`). That knows what an inductive argument does not, whether a bad state can be reached at all: a
refuted obligation that no run reaches may be an invariant that asks too much, and one that a run reaches is a
bug with a history.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mapproof.proofs.concrete import Machine, State, Step, Value

Move: TypeAlias = tuple[str, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Exploration:
    """How many states were reached, whether those were all within the bound, and the first thing broken.

    `trace` is the shortest sequence of steps to it: action names with their arguments.
    """

    states: int
    exhausted: bool
    broken: tuple[str, ...] = ()
    trace: tuple[Move, ...] = ()


def explore(
    machine: Machine,
    *,
    most_states: int,
    invariants: bool = True,
    allowed: Callable[[State], bool] = lambda state: True,
) -> Exploration:
    """Run every action in every state reached, up to `most_states` states, until a claim or invariant breaks.

    States where `allowed` is false are not entered: that bounds the scenario. With `invariants` false only
    the claims are looked at, which is what a user of the map could notice.
    """
    first = machine.initial()
    came_from: dict[object, tuple[object, Move] | None] = {_frozen(first): None}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        here = _frozen(state)
        for move, step in _steps(machine, state):
            if not allowed(step.after):
                continue
            there = _frozen(step.after)
            broken = list(step.broken_claims)
            if there not in came_from:
                came_from[there] = (here, move)
                waiting.append(step.after)
                if invariants:
                    broken += [i for i in machine.system.invariants if not machine.holds(step.after, i)]
            if broken:
                return Exploration(len(came_from), False, tuple(broken), (*_path(came_from, here), move))
            if len(came_from) >= most_states:
                return Exploration(len(came_from), False)
    return Exploration(len(came_from), True)


def walk(machine: Machine, *, walks: int, length: int, seed: int) -> Exploration:
    """Random runs of at most `length` steps, until a claim breaks; deep where `explore` is wide.

    A running operation is preferred to a new call, four to one, so that calls end. Nothing is ever exhausted
    here; `states` counts the steps.
    """
    choose, steps = random.Random(seed), 0
    for _ in range(walks):
        state, trace = machine.initial(), list[Move]()
        while len(trace) < length and (enabled := list(_enabled(machine, state))):
            running = [move for move in enabled if move[0] != "invoke"]
            action, arguments = choose.choice(running if running and choose.random() < 0.8 else enabled)
            step = machine.step(state, action, *arguments)
            assert step is not None
            state, steps = step.after, steps + 1
            trace.append((action, arguments))
            if step.broken_claims:
                return Exploration(steps, False, step.broken_claims, tuple(trace))
    return Exploration(steps, False)


def _enabled(machine: Machine, state: State) -> Iterator[Move]:
    for action in machine.system.actions.values():
        for arguments in machine.arguments(action):
            if machine.enabled(state, action.name, *arguments):
                yield action.name, arguments


def _steps(machine: Machine, state: State) -> Iterator[tuple[Move, Step]]:
    for action, arguments in _enabled(machine, state):
        step = machine.step(state, action, *arguments)
        assert step is not None
        yield (action, arguments), step


def _frozen(state: State) -> object:
    return tuple(tuple(table.values()) for table in state.values())


def _path(came_from: dict[object, tuple[object, Move] | None], state: object) -> tuple[Move, ...]:
    moves: list[Move] = []
    while (link := came_from[state]) is not None:
        state, move = link
        moves.append(move)
    return tuple(reversed(moves))
