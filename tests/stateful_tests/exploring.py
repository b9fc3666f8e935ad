"""What the tests of the explorer share: run a little program in every schedule and collect what came out.

A program is a function without arguments that makes fresh state and answers the tasks that race on it, and a
function that reads the outcome when they are done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from mapproof.impl.sync import watched_by
from mapproof.stateful_tests.explorer.cooperative_threading import patched
from mapproof.stateful_tests.explorer.endings import Ending, Outcome
from mapproof.stateful_tests.explorer.opcode_events import opcode_events
from mapproof.stateful_tests.explorer.plan import Plan, Search
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.simulation import MAX_STEPS, Simulation
from mapproof.stateful_tests.explorer.strategy import Doing, Strategy

Task = Callable[[], None]
Program = Callable[[], tuple[Sequence[Task], Callable[[], Any]]]

UNBOUNDED = 99


def explore(
    program: Program,
    strategy: Strategy | Plan,
    *,
    files: Sequence[str] = (),
    runs: int = 100_000,
    max_steps: int = MAX_STEPS,
) -> list[tuple[Ending, Any]]:
    """The ending and the outcome of each execution, at most `runs`; tasks are numbered from 1.

    A list and not a generator: one that is left half way would take the hook away from a later test.
    """
    found: list[tuple[Ending, Any]] = []
    with ExitStack() as stack:
        instrument = stack.enter_context(opcode_events(files)) if files else None
        stack.enter_context(patched())
        simulation = Simulation(instrument)
        stack.enter_context(watched_by(simulation))
        plan = Search(strategy, "") if isinstance(strategy, Strategy) else strategy
        for each in islice(plan, runs):
            tasks, outcome = program()
            ending = simulation.run(dict(enumerate(tasks, 1)), each, max_steps)
            found.append((ending, outcome()))
            simulation.finish()
    return found


def outcomes(program: Program, *, files: Sequence[str] = (), bound: int = UNBOUNDED) -> set[Any]:
    """What comes out in some schedule; a deadlock counts as the outcome "deadlock"."""
    return {
        "deadlock" if ending.outcome is Outcome.DEADLOCK else outcome
        for ending, outcome in explore(program, PreemptionBound(bound), files=files)
    }


def once(program: Program, strategy: Strategy, **options: Any) -> tuple[Ending, Any]:
    """The first execution of the strategy."""
    return explore(program, strategy, runs=1, **options)[0]


@dataclass
class Scripted(Strategy):
    """Follows a list of choices, then the first option; remembers every question and answer."""

    script: Sequence[int] = ()
    asked: list[tuple[int | None, tuple[int, ...], int]] = field(default_factory=list)

    def begin(self) -> bool:
        return True

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        place = len(self.asked)
        chosen = self.script[place] if place < len(self.script) else enabled[0]
        self.asked.append((current, tuple(enabled), chosen))
        return chosen

    def preemptions(self) -> int:
        return sum(current is not None and chosen != current for current, _, chosen in self.asked)
