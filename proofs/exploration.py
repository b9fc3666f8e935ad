"""Every state that a system reaches over a few elements, by running it: a check beside the proof, not part of it.

The idea: breadth first from the initial state, with the action sources that were proved. It knows what an
inductive argument does not, whether a bad state can be reached at all; so a refuted obligation that this
search cannot reach may be an invariant that asks too much, and one that it reaches is a bug with a history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

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


def _steps(machine: Machine, state: State) -> Any:
    for action in machine.system.actions.values():
        for arguments in machine.arguments(action):
            step: Step | None = machine.step(state, action.name, *arguments)
            if step is not None:
                yield (action.name, arguments), step


def _frozen(state: State) -> object:
    return tuple(tuple(table.values()) for table in state.values())


def _path(came_from: dict[object, tuple[object, Move] | None], state: object) -> tuple[Move, ...]:
    moves: list[Move] = []
    while (link := came_from[state]) is not None:
        state, move = link
        moves.append(move)
    return tuple(reversed(moves))
