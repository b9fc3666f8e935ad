"""What the tests of the cooperative `threading` share: whole executions, whose object is made by a simulated thread.

A program is what `exploring` takes for one, but it is called, and its outcome read, by simulated thread 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from exploring import UNBOUNDED, Program

from mapproof.impl.sync import watched_by
from mapproof.stateful_tests.explorer.cooperative_threading import HeldLock, held_locks, patched
from mapproof.stateful_tests.explorer.endings import Ending, Outcome
from mapproof.stateful_tests.explorer.opcode_events import opcode_events
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.explorer.strategy import Schedule, Strategy
from mapproof.stateful_tests.explorer.watchdog import watchdog


@dataclass(frozen=True)
class Execution:
    """How one went: the outcome that the program read, what no thread caught, and who held what at the end."""

    ending: Ending
    outcome: Any
    uncaught: tuple[str, ...]
    held: tuple[HeldLock, ...]


def executions(
    program: Program,
    strategy: Strategy,
    *,
    modules: Iterable[ModuleType] = (),
    files: Sequence[str] = (),
    runs: int = 20_000,
) -> list[Execution]:
    """All executions that the strategy has, at most `runs`. An execution that took longer than a second is stuck."""
    found: list[Execution] = []
    with ExitStack() as stack:
        instrument = stack.enter_context(opcode_events(files)) if files else None
        stack.enter_context(patched(modules))
        simulation = Simulation(instrument)
        stack.enter_context(watched_by(simulation))
        while len(found) < runs and strategy.begin():
            try:
                with watchdog(5):
                    found.append(_execution(simulation, program, strategy))
            finally:
                simulation.finish()
    return found


def _execution(simulation: Simulation, program: Program, strategy: Strategy) -> Execution:
    made: list[Any] = []
    outcome: list[Any] = []
    ending = _alone(simulation, lambda: made.extend(program()))
    if ending.outcome is Outcome.FINISHED and made[0]:
        ending = simulation.run(dict(enumerate(made[0], 1)), strategy)
    if ending.outcome is Outcome.FINISHED:
        last = _alone(simulation, lambda: outcome.append(made[1]()))
        ending = ending if last.outcome is Outcome.FINISHED else last
    uncaught = tuple(f"{one.thread}: {one.error!r}" for one in simulation.belongings.uncaught)
    answer = outcome[0] if outcome else ending.outcome.name.lower()
    return Execution(ending, answer, uncaught, held_locks(simulation))


def _alone(simulation: Simulation, task: Callable[[], None]) -> Ending:
    replay = Replay(Schedule())
    replay.begin()
    return simulation.run({0: task}, replay, stops=False)


def outcomes(program: Program, *, bound: int = UNBOUNDED, **options: Any) -> set[Any]:
    """What comes out in some schedule; "deadlock" is an outcome too."""
    return {found.outcome for found in executions(program, PreemptionBound(bound), **options)}


def plainly(program: Program, **options: Any) -> Execution:
    """The execution with no switch that could be avoided."""
    return executions(program, PreemptionBound(0), runs=1, **options)[0]


def alone(work: Callable[[], Any], **options: Any) -> Any:
    """What `work` answers as the only thread that calls anything."""
    return plainly(lambda: ([], work), **options).outcome
