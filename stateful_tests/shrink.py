"""Makes a failing schedule small: as few preemptions as a search can show, then as few switches.

The idea: the bounded search runs schedules in order of preemptions, so the first failure it meets has the fewest.
Where that search is too large, single switches are removed as long as the run still fails.
"""

from __future__ import annotations

from dataclasses import replace

from mapproof.stateful_tests.execution import CANNOT_LOOK, Execution, Laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.trace import Counterexample, counterexample

MOST_PREEMPTIONS = 2
RUNS = 600
"""The bounded search runs so many schedules, at most, with each number of preemptions."""


NOT_REPEATED = (
    "This failure did not happen again in the same schedule: the code under test depends on more than its "
    "schedule (time, chance), and a replay may not show it."
)


def simplest_counterexample(
    laboratory: Laboratory, scenario: Scenario, execution: Execution
) -> Counterexample:
    """The simplest failing run of the scenario, told; the account says so if it does not fail again."""
    try:
        smallest = simplest(laboratory, scenario, execution)
    except CANNOT_LOOK:
        smallest = execution
    told = counterexample(laboratory, scenario, smallest)
    replay = Replay(smallest.schedule)
    replay.begin()
    if laboratory.run(scenario, replay).failure is None:
        return replace(told, account=f"{NOT_REPEATED}\n\n{told.account}")
    return told


def simplest(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> Execution:
    """A failing run of the scenario with as few preemptions, or else switches, as could be found."""
    for bound in range(MOST_PREEMPTIONS + 1):
        strategy = PreemptionBound(bound)
        for _ in range(RUNS):
            if not strategy.begin():
                break
            tried = laboratory.run(scenario, strategy)
            if tried.failure is not None:
                return fewest_switches(laboratory, scenario, tried)
    return fewest_switches(laboratory, scenario, execution)


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
