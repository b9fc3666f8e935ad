"""No short schedule of the local cache breaks its bound, and schedules of the article's cache do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from caches import ArticleCache
from mutants_local_cache import alarms

from mapproof.impl.local_cache import LocalCache
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.catalogue.cache import (
    IN_TIME,
    Deployment,
    Situation,
    cache_scenarios,
    preemptions_of,
)
from mapproof.stateful_tests.execution import NO_CHECKS, Checks
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.objects import ObjectScenario, exhaust


@pytest.mark.parametrize("scenario", list(cache_scenarios()), ids=lambda scenario: scenario.name)
def test_no_schedule_goes_wrong(scenario: ObjectScenario) -> None:
    explored = exhaust(scenario, bound=preemptions_of(scenario))
    assert explored.verdict is Verdict.EXHAUSTED, explored.evidence()
    assert "watched for a broken invariant and a data race" in explored.scope


def test_generated_situations_raise_no_alarm() -> None:
    assert alarms(400, seed=1) == []


# -- what the article says

PAGE = (Path(__file__).parents[2] / "docs" / "local-cache.md").read_text()

LATE_LOAD = Situation(
    "store a 1; replicate", ("load a", "store a 2; replicate; deliver; advance 1; load a"), bound=IN_TIME
)


def run(situation: Situation, cache: Any, **options: Any) -> Explored:
    """The article's cache promises no single flight, so nobody watches for it here."""
    scenario = situation.scenario("the article's", checks=Checks(races=True), cache=cache, **options)
    return exhaust(scenario, bound=1)


@pytest.mark.parametrize("refreshes", [False, True])
def test_a_load_that_was_late_overwrites_what_the_log_brought(refreshes: bool) -> None:
    """Both replica and log were prompt; the value stays until it expires, 30 s later."""
    explored = run(LATE_LOAD, ArticleCache, refreshes=refreshes)
    assert explored.verdict is Verdict.FAILED
    assert explored.counterexample is not None
    assert "load('a') -> (1, True)" in explored.counterexample.account
    if not refreshes:
        assert PAGE.split("```text\n")[2].partition("```")[0] in explored.counterexample.account
    assert run(LATE_LOAD, LocalCache).verdict is Verdict.EXHAUSTED


class Sparing(Deployment):
    """Three readers, of whom only one may reach a source."""

    def check_invariants(self) -> None:
        assert self.loads <= 1, f"{self.loads} loads"


@pytest.mark.parametrize(
    ("cache", "verdict"), [(ArticleCache, Verdict.FAILED), (LocalCache, Verdict.EXHAUSTED)]
)
def test_without_single_flight_each_of_many_misses_is_a_load(cache: Any, verdict: Verdict) -> None:
    readers = Situation("store a 1; replicate", ("load a",) * 3).scenario("three readers miss a key")
    scenario = replace(readers, make=lambda: Sparing(cache), observers=(), model=None, checks=NO_CHECKS)
    assert exhaust(scenario, bound=1).verdict is verdict
