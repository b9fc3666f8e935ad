"""Runs every schedule of a fixed scenario within a bound of preemptions, and says so only if it did."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.stateful_tests.execution import Target, laboratory
from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget
from mapproof.stateful_tests.explorer.watchdog import Stalled
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.trace import tell


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """What to run: a named scenario on a target, with at most `bound` preemptions and `limit` runs."""

    name: str
    target: Target
    scenario: Scenario
    bound: int = 2
    limit: int = 100_000

    def run(self) -> Evidence:
        """EXHAUSTED, FAILED with the account, SAMPLED when the limit came first, INCONCLUSIVE with the reason."""
        started = time.perf_counter()
        runs = 0
        account: str | None = None
        strategy = PreemptionBound(self.bound)
        verdict = Verdict.EXHAUSTED
        try:
            with laboratory(self.target) as lab:
                while verdict is Verdict.EXHAUSTED and strategy.begin():
                    if runs == self.limit:
                        verdict = Verdict.SAMPLED
                        break
                    execution = lab.run(self.scenario, strategy)
                    runs += 1
                    if execution.failure is not None:
                        verdict, account = Verdict.FAILED, tell(lab, self.scenario, execution)
                    elif execution.undecided:
                        verdict = Verdict.INCONCLUSIVE
        except (Stalled, UnsupportedTarget, NondeterministicTarget) as trouble:
            return self._evidence(Verdict.INCONCLUSIVE, f"after {runs:,} runs: {trouble}", started, None)
        return self._evidence(verdict, self._scope(verdict, runs), started, account)

    def _scope(self, verdict: Verdict, runs: int) -> str:
        bound = f"preemptions <= {self.bound}"
        match verdict:
            case Verdict.EXHAUSTED:
                return f"{bound}: all {runs:,} schedules of one scenario"
            case Verdict.FAILED:
                return f"{bound}: schedule {runs:,} of one scenario"
            case _:
                return f"{bound}: {runs:,} schedules of one scenario, not all"

    def _evidence(self, verdict: Verdict, scope: str, started: float, account: str | None) -> Evidence:
        seconds = time.perf_counter() - started
        return Evidence(self.name, Kind.EXPLORATION, verdict, scope, seconds, account)
