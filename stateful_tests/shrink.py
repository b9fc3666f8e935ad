"""Makes a failing schedule small: first as few preemptions as a search can show, then as few switches.

The idea: the bounded search runs schedules in order of preemptions, so the first failure it meets has the fewest.
Where that search is too large, single switches are removed as long as the run still fails.
"""

from __future__ import annotations

from mapproof.stateful_tests.execution import Execution, Laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.scenarios import Scenario


def bounded_search(
    laboratory: Laboratory, scenario: Scenario, bound: int, limit: int
) -> tuple[Execution | None, int]:
    """The first failure within so many preemptions, and the number of runs; at most `limit` runs."""
    strategy = PreemptionBound(bound)
    runs = 0
    while runs < limit and strategy.begin():
        execution = laboratory.run(scenario, strategy)
        runs += 1
        if execution.failure is not None:
            return execution, runs
    return None, runs


def fewest_switches(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> Execution:
    """A failing run of the same scenario from whose schedule no single switch can be taken away."""
    smallest = execution
    improved = True
    while improved:
        improved = False
        for switch in reversed(smallest.schedule.switches):
            shorter = _without(laboratory, scenario, smallest, switch)
            if shorter is not None:
                smallest, improved = shorter, True
                break
    return smallest


def _without(
    laboratory: Laboratory, scenario: Scenario, execution: Execution, switch: tuple[int, int]
) -> Execution | None:
    rest = tuple(kept for kept in execution.schedule.switches if kept != switch)
    replay = Replay(Schedule(rest))
    replay.begin()
    tried = laboratory.run(scenario, replay)
    shorter = len(tried.schedule.switches) < len(execution.schedule.switches)
    return tried if tried.failure is not None and shorter else None
