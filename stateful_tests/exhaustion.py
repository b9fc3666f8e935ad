"""Runs every schedule of a fixed scenario within a bound of preemptions, and says so only if it did."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.stateful_tests.execution import CANNOT_LOOK, NO_CHECKS, Checks, Laboratory, Target, laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.strategy import Strategy
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.trace import Counterexample, counterexample


@dataclass(frozen=True, slots=True)
class Explored:
    """What came of an exploration. `watched` is what each step was in fact watched for."""

    name: str
    verdict: Verdict
    scope: str
    seconds: float
    counterexample: Counterexample | None = None
    watched: frozenset[FailureKind] = frozenset()

    def evidence(self) -> Evidence:
        """The same as one line of a table."""
        account = None if self.counterexample is None else self.counterexample.account
        return Evidence(self.name, Kind.EXPLORATION, self.verdict, self.scope, self.seconds, account)


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
            verdict, runs, failing, watched = self._search()
        except CANNOT_LOOK as trouble:
            return Explored(self.name, Verdict.INCONCLUSIVE, str(trouble), time.perf_counter() - started)
        words = f"{_words(verdict, runs)} of one scenario{watched_words(watched)}"
        scope = f"preemptions <= {self.bound}: {words}"
        return Explored(self.name, verdict, scope, time.perf_counter() - started, failing, watched)

    def _search(self) -> tuple[Verdict, int, Counterexample | None, frozenset[FailureKind]]:
        """The verdict, the number of runs, the failure that ended them, and what was watched."""
        with laboratory(self.target, self.checks) as lab:
            verdict, runs, failing = every_schedule(
                lab, self.scenario, PreemptionBound(self.bound), self.limit
            )
            return verdict, runs, failing, frozenset(lab.watched_for)


def every_schedule(
    lab: Laboratory, scenario: Scenario, strategy: Strategy, limit: int
) -> tuple[Verdict, int, Counterexample | None]:
    """Run all the schedules that the strategy has, at most `limit`: the verdict, how many, and the one that failed."""
    runs = undecided = 0
    while strategy.begin():
        if runs == limit:
            return Verdict.SAMPLED, runs, None
        execution = lab.run(scenario, strategy)
        runs += 1
        undecided += execution.undecided
        if execution.failure is not None:
            return Verdict.FAILED, runs, counterexample(lab, scenario, execution)
    return (Verdict.INCONCLUSIVE if undecided else Verdict.EXHAUSTED), runs, None


def _words(verdict: Verdict, runs: int) -> str:
    match verdict:
        case Verdict.EXHAUSTED:
            return f"all {runs:,} schedules"
        case Verdict.FAILED:
            return f"schedule {runs:,}"
        case Verdict.SAMPLED:
            return f"the first {runs:,} schedules"
        case _:
            return f"all {runs:,} schedules, not every history decided,"


def watched_words(watched: frozenset[FailureKind]) -> str:
    """What each step was watched for, to end a scope with; "" if for nothing."""
    kinds = " and ".join(f"a {kind}" for kind in sorted(watched))
    return f", each step watched for {kinds}" if kinds else ""
