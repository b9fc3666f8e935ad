"""Makes a failure small: as few operations as a search can show, then as few preemptions, then as few switches.

The idea: the bounded search runs schedules in order of preemptions, so the first failure it meets has the fewest.
Where that search is too large, single switches are removed as long as the run still fails. What was shown on the way
is part of the account (`trace.Minimum`); what was not is said not to be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from mapproof.stateful_tests.execution import CANNOT_LOOK, Execution, Laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Doing, NondeterministicTarget, Schedule
from mapproof.stateful_tests.nondeterminism import differences
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.smaller import Reduction, Shown, is_as_plain
from mapproof.stateful_tests.trace import Counterexample, counterexample
from mapproof.stateful_tests.trace.events import Minimum

MOST_PREEMPTIONS = 2
RUNS = 1_500
"""The bounded search runs so many schedules, at most, with each number of preemptions."""


NOT_REPEATED = "the code under test depends on more than its schedule (time, chance, an earlier run)"


def simplest_counterexample(
    laboratory: Laboratory, scenario: Scenario, execution: Execution, *, given: bool = False
) -> Counterexample:
    """The simplest failing run of the scenario or, unless it was `given` and must stay, of a part of it; told.

    Raises NondeterministicTarget if it does not fail again.
    """
    minimum = None
    with contextlib.suppress(*CANNOT_LOOK):
        found = smallest(laboratory, scenario, execution, given=given)
        scenario, execution, minimum = found.scenario, found.execution, found.minimum
    if _told_apart(laboratory, scenario, execution):
        minimum = None
    return counterexample(laboratory, scenario, execution, minimum)


def _told_apart(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> bool:
    """Whether the run, run again twice, differs from itself. Raises NondeterministicTarget if it does not fail again."""
    differs = differences(laboratory, scenario, execution.schedule)
    failure = execution.failure
    assert failure is not None, "only a failure is shrunk"
    if _replayed(laboratory, scenario, execution.schedule).failure is None:
        seen = f"{failure.kind}: {failure.summary.splitlines()[0]}"
        raise NondeterministicTarget(
            f"{NOT_REPEATED}: {differs or 'its schedule, run again, does not fail'} (failed once: {seen})"
        )
    return differs is not None


@dataclass(frozen=True, slots=True)
class Smallest:
    """A failing run and its program, as small as was found, and what was shown of that."""

    scenario: Scenario
    execution: Execution
    minimum: Minimum


def smallest(
    laboratory: Laboratory, scenario: Scenario, execution: Execution, *, given: bool = False
) -> Smallest:
    """The failure with as few operations, unless the program is `given`, and as few preemptions as was found."""
    reduction = Reduction(laboratory, scenario, execution)
    if not given:
        reduction.cut()
    while True:
        fewest = fewest_preemptions(laboratory, reduction.scenario, reduction.execution)
        shown = None if given else reduction.show(fewest.execution, fewest.preemptions)
        if given or shown is not None:
            return Smallest(reduction.scenario, fewest.execution, _minimum(reduction.scenario, fewest, shown))


def _minimum(scenario: Scenario, fewest: Fewest, shown: Shown | None) -> Minimum:
    parts = shown or Shown(0)
    return Minimum(
        threads=len([thread for thread in scenario.threads if thread]),
        operations=sum(map(len, scenario.threads)),
        before=len(scenario.setup),
        after=len(scenario.observers),
        preemptions=fewest.preemptions,
        given=shown is None,
        every_part=shown is not None and parts.all,
        programs=parts.programs,
        programs_run=parts.done,
        runs=parts.runs,
        within=parts.within,
        otherwise=parts.otherwise,
        schedules=fewest.runs,
        fewest=fewest.shown,
    )


@dataclass(frozen=True, slots=True)
class Fewest:
    """A failing run with so many preemptions; in `runs` schedules with fewer none was found that fails, and if `shown`
    these are all."""

    execution: Execution
    preemptions: int
    runs: int
    shown: bool


def fewest_preemptions(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> Fewest:
    """A failing run of the scenario with as few preemptions, or else switches, as could be found."""
    assert execution.failure is not None, "only a failure is shrunk"
    runs, ended = 0, True
    for bound in range(MOST_PREEMPTIONS + 1):
        fewer, all_fewer, runs = runs, ended, 0
        strategy = PreemptionBound(bound)
        while ended := strategy.begin():
            if runs == RUNS:
                break
            tried = laboratory.run(scenario, strategy)
            runs += 1
            if tried.failure is not None and is_as_plain(tried.failure, execution.failure.kind):
                return _fewest(laboratory, scenario, tried, bound, fewer, all_fewer)
        ended = not ended
    return _fewest(laboratory, scenario, execution, MOST_PREEMPTIONS + 1, runs, ended)


def _fewest(
    laboratory: Laboratory, scenario: Scenario, found: Execution, bound: int, runs: int, all_fewer: bool
) -> Fewest:
    """`runs` schedules with fewer than `bound` preemptions did not fail, and `all_fewer` says whether these are all."""
    smallest = fewest_switches(laboratory, scenario, found)
    preemptions = _preemptions(laboratory, scenario, smallest.schedule)
    return Fewest(smallest, preemptions, runs, all_fewer and preemptions == bound)


def simplest(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> Execution:
    """A failing run of the scenario with as few preemptions, or else switches, as could be found."""
    return fewest_preemptions(laboratory, scenario, execution).execution


def fewest_switches(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> Execution:
    """A failing run of the same scenario from whose schedule no single switch can be taken away."""
    smallest = execution
    most = _preemptions(laboratory, scenario, execution.schedule)
    improved = True
    while improved:
        improved = False
        for switch in reversed(smallest.schedule.switches):
            shorter = _without(laboratory, scenario, smallest, switch, most)
            if shorter is not None:
                smallest, improved = shorter, True
                break
    return smallest


def _without(
    laboratory: Laboratory, scenario: Scenario, execution: Execution, switch: tuple[int, int], most: int
) -> Execution | None:
    """A failing run without the switch, with fewer switches in all and no more preemptions than `most`."""
    assert execution.failure is not None, "only a failure is shrunk"
    counting = _Counting(Schedule(tuple(kept for kept in execution.schedule.switches if kept != switch)))
    counting.begin()
    tried = laboratory.run(scenario, counting)
    if tried.failure is None or not is_as_plain(tried.failure, execution.failure.kind):
        return None
    shorter = len(tried.schedule.switches) < len(execution.schedule.switches)
    return tried if shorter and counting.preemptions <= most else None


class _Counting(Replay):
    """A replay that counts its preemptions."""

    preemptions = 0

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        chosen = super().choose(current, enabled, doing)
        self.preemptions += current is not None and chosen != current
        return chosen


def _preemptions(laboratory: Laboratory, scenario: Scenario, schedule: Schedule) -> int:
    counting = _Counting(schedule)
    counting.begin()
    laboratory.run(scenario, counting)
    return counting.preemptions


def _replayed(laboratory: Laboratory, scenario: Scenario, schedule: Schedule) -> Execution:
    replay = Replay(schedule)
    replay.begin()
    return laboratory.run(scenario, replay)
