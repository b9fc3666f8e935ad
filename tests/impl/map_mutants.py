"""How the mutants of a map are caught, and how the map itself is watched for false alarms.

The idea: `account` lets exactly one detector look, in every schedule of one scenario within a bound of preemptions;
what others find on the way does not count. `alarms` lets all of them look at the map as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from mutants import Detector
from schedules import turns

from mapproof.stateful_tests.catalogue.words import Scenarios, scenario_of
from mapproof.stateful_tests.execution import Checks, Laboratory, Target, laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Scenario, scenarios
from mapproof.stateful_tests.targets import target_of

KINDS = {
    Detector.LINEARIZABILITY: FailureKind.VIOLATION,
    Detector.RACE: FailureKind.RACE,
    Detector.INVARIANT: FailureKind.INVARIANT,
    Detector.DEADLOCK: FailureKind.DEADLOCK,
    Detector.PROGRESS: FailureKind.ENDLESS,
    Detector.EXCEPTION: FailureKind.EXCEPTION,
}
"""What a detector that looks at one run at a time calls a failure of its own."""

BOUND = 2
MOST_SCHEDULES = 2_000


def account(
    right: type, mutant: Callable[[], Any], words: tuple[str, tuple[str, ...]], detector: Detector
) -> str:
    """What the detector says of the first schedule in which it finds something; "" if there is none.

    `mutant` is called as the `right` map is: trying out what it accepts would let others than the detector see it.
    """
    target = replace(target_of(right, "mutant"), factory=mutant)
    setup, threads = words
    scenario = scenario_of(target.adapter, setup, *threads)
    checks = Checks(races=detector is Detector.RACE, invariants=detector is Detector.INVARIANT)
    strategy = PreemptionBound(BOUND)
    with laboratory(target, checks) as lab:
        for _ in range(MOST_SCHEDULES):
            if not strategy.begin():
                break
            failure = lab.run(scenario, strategy).failure
            if failure is not None and failure.kind is KINDS[detector]:
                return failure.summary
    return ""


def alarms(factory: type, catalogue: Scenarios, schedules: int, start: int) -> list[str]:
    """What any detector says of about so many schedules of the map: half of them of the scenarios of the catalogue,
    the others of drawn ones (see `turns`)."""
    target = target_of(factory, factory.__name__)
    named = [scenario_of(target.adapter, setup, *threads) for setup, threads in catalogue.values()]
    drawn = _drawn(target, max(1, schedules // 40), start)
    with laboratory(target, Checks(races=True, invariants=True)) as lab:
        return [
            *_complaints(lab, named, schedules - schedules // 2, start),
            *_complaints(lab, drawn, schedules // 2, start),
        ]


def _complaints(lab: Laboratory, programs: list[Scenario], schedules: int, start: int) -> Iterator[str]:
    """The schedules are shared out evenly among the programs."""
    share = max(1, ceil(schedules / len(programs)))
    for number, scenario in enumerate(programs):
        for strategy in turns(share, BOUND, start + number):
            execution = lab.run(scenario, strategy)
            if execution.failure is not None or execution.undecided:
                yield f"{scenario}: schedule {execution.schedule}: {execution.failure or 'undecided'}"


def _drawn(target: Target, count: int, start: int) -> list[Scenario]:
    found: list[Scenario] = []

    @seed(start)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(scenarios(target.adapter, target.keys))
    def collect(scenario: Scenario) -> None:
        found.append(scenario)

    collect()
    return found
