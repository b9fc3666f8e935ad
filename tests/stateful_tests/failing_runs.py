"""A failing run of a little program, for the tests of what comes after: how it is told, and how it shrinks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Execution, Laboratory, laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.targets import target_of


@contextmanager
def on(make: Any, setup: str, *threads: str) -> Iterator[tuple[Laboratory, Scenario]]:
    """A laboratory for the map, and the scenario."""
    target = target_of(make, make.__name__)
    with laboratory(target) as lab:
        yield lab, scenario_of(target.adapter, setup, *threads)


def replayed(lab: Laboratory, scenario: Scenario, text: str) -> Execution:
    """The run of that schedule."""
    strategy = Replay(Schedule.parse(text))
    strategy.begin()
    return lab.run(scenario, strategy)


def first_failure(lab: Laboratory, scenario: Scenario, bound: int = 2) -> Execution:
    """The first run that fails, the fewest preemptions first."""
    for most in range(bound + 1):
        strategy = PreemptionBound(most)
        while strategy.begin():
            ran = lab.run(scenario, strategy)
            if ran.failure is not None:
                return ran
    raise AssertionError("no schedule fails")
