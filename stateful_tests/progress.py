"""Obstruction freedom, checked by pausing everybody else: an operation that runs alone from there must end soon.

The idea (Herlihy, Luchangco and Moir, ICDCS 2003): an operation is obstruction-free if it ends within a bounded number
of its own steps once the others stand still, wherever they stand. The bounded search goes through the states in which
the operation is running. Where its client may go on, one of the schedules lets it go on to the end without a switch;
where the bound forbids to switch to it, one more run does so, and never switches back. So every state is one from
which the client was left alone.

    Progress("a load that hits", target, scenario, client=1, most=3, bound=2).run()

Each call of the client must end within `most` steps (accesses of shared memory), must never wait, and unless
`locks` is true must not touch a lock at all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.execution import CANNOT_LOOK, Execution, Laboratory, Target, laboratory
from mapproof.stateful_tests.exploration import Explored, Walk, run_plan
from mapproof.stateful_tests.explorer.plan import Search
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.obstruction import Alone, LeavingAlone, LeftAlone
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.trace import Counterexample, counterexample


@dataclass(frozen=True, slots=True)
class Progress:
    """What to show: from every state of the scenario that at most `bound` preemptions reach, each call of `client`
    that is running ends alone, within `most` steps. `limit` bounds the number of runs."""

    name: str
    target: Target
    scenario: Scenario
    client: int
    most: int
    bound: int
    locks: bool = False
    limit: int = 100_000

    def run(self) -> Explored:
        """EXHAUSTED, FAILED with the state in which the client is stuck, SAMPLED when the limit came first, or
        INCONCLUSIVE with the reason."""
        started = time.perf_counter()
        try:
            with laboratory(self.target) as lab:
                lab.also_watch(FailureKind.PROGRESS, self._monitor)
                walk = self._search(lab, self.bound)
                failing = None if walk.failing is None else self._simplest(lab, walk.failing)
        except CANNOT_LOOK as trouble:
            return Explored(self.name, Verdict.INCONCLUSIVE, str(trouble), time.perf_counter() - started)
        scope = f"preemptions <= {self.bound}: {self._words(walk.verdict, walk.runs)} of one scenario"
        return Explored(self.name, walk.verdict, scope, time.perf_counter() - started, failing)

    def _monitor(self, simulation: Simulation, _: Any) -> LeftAlone:
        alone = Alone(self.most, clients=(self.client,), locks=self.locks)
        return LeftAlone(alone, simulation, self.target.render, stops_after_them=True)

    def _search(self, lab: Laboratory, bound: int) -> Walk:
        plan = Search(LeavingAlone(bound, (self.client,)), f"preemptions <= {bound}")
        return run_plan(lab, self.scenario, plan, limit=self.limit)

    def _simplest(self, lab: Laboratory, failing: Execution) -> Counterexample:
        simpler = (self._search(lab, bound).failing for bound in range(self.bound))
        return counterexample(lab, self.scenario, next(filter(None, simpler), failing))

    def _words(self, verdict: Verdict, runs: int) -> str:
        ends = f"alone within {self.most} steps{'' if self.locks else ' and without a lock'}"
        match verdict:
            case Verdict.FAILED:
                return f"not {ends} in schedule {runs:,}"
            case Verdict.SAMPLED:
                return f"{ends} from the states of the first {runs:,} schedules"
            case _:
                return f"{ends} from every state of all {runs:,} schedules"
