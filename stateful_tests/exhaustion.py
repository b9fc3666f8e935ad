"""Runs every schedule of a fixed scenario within a bound of preemptions, and says so only if it did."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.execution import CANNOT_LOOK, NO_CHECKS, Checks, Target, laboratory
from mapproof.stateful_tests.exploration import Explored, run_plan, watched_words
from mapproof.stateful_tests.explorer.plan import bounded
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.trace import counterexample


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """What to run: a named scenario on a target, with at most `bound` preemptions and `limit` runs; `checks` says
    what is watched at every step."""

    name: str
    target: Target
    scenario: Scenario
    bound: int
    limit: int = 100_000
    checks: Checks = NO_CHECKS

    def run(self) -> Explored:
        """EXHAUSTED, FAILED, SAMPLED when the limit came first, or INCONCLUSIVE with the reason."""
        started = time.perf_counter()
        try:
            with laboratory(self.target, self.checks) as lab:
                walk = run_plan(lab, self.scenario, bounded(self.bound), limit=self.limit)
                failing = None if walk.failing is None else counterexample(lab, self.scenario, walk.failing)
                watched = frozenset(lab.watched_for)
        except CANNOT_LOOK as trouble:
            return Explored(self.name, Verdict.INCONCLUSIVE, str(trouble), time.perf_counter() - started)
        scope = f"{walk.scope} of one scenario{watched_words(watched)}"
        return Explored(self.name, walk.verdict, scope, time.perf_counter() - started, failing, watched)
