"""Runs the executions of a plan on a fixed scenario until one fails, none is left or a limit comes, and says which.

The idea: what was run is counted, and only what a search ran to its end is claimed. Distinct schedules are counted
too: many executions of few schedules are few.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.stateful_tests.execution import Execution, Laboratory
from mapproof.stateful_tests.explorer.plan import ALL, Plan
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.trace import Counterexample


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


@dataclass(slots=True)
class Walk:
    """What was run so far. `failing` is the execution that failed, the last one; `goal` is what was to be exhausted (see
    `Plan`); `ended` says that no execution was left."""

    goal: str = ""
    runs: int = 0
    undecided: int = 0
    pruned: int = 0
    unfree: int = 0
    failing: Execution | None = None
    ended: bool = False
    _claims: list[str] = field(default_factory=list)
    _schedules: set[int] = field(default_factory=set)

    @property
    def distinct(self) -> int:
        """How many different schedules there were."""
        return len(self._schedules)

    @property
    def verdict(self) -> Verdict:
        if self.failing is not None:
            return Verdict.FAILED
        if self.undecided or not self.runs:
            return Verdict.INCONCLUSIVE
        return Verdict.EXHAUSTED if self._claim else Verdict.SAMPLED

    @property
    def scope(self) -> str:
        """How much was run, in words."""
        doubt = f", {self.undecided:,} histories undecided" if self.undecided else ""
        if self.failing is not None:
            return f"{_colon(self.goal)}schedule {self.runs:,}"
        if self.ended and self._claim == ALL:
            if self.goal == ALL:
                return f"{ALL}: {self.runs:,} kinds of schedules{doubt}"
            return f"{ALL}: every kind of schedule, among {self.runs:,} schedules{doubt}"
        if self.ended and self.goal and self._claim:
            return f"{self.goal}: all {self.runs:,} schedules{doubt}"
        if self.goal and not self.ended:
            return f"{_colon(self.goal)}the first {self.runs:,} schedules{doubt}"
        return f"{_colon(self._claim)}{self.runs:,} schedules, {self.distinct:,} distinct{doubt}"

    def watched(self, kinds: Iterable[FailureKind]) -> frozenset[FailureKind]:
        """What may be claimed of the kinds of failure that each step was watched for: where one schedule of every kind
        stands for the others, not all the states between their steps were there to be looked at."""
        found = frozenset(kinds)
        return found - _OF_STATES if self._claim == ALL else found

    @property
    def _claim(self) -> str:
        """What is known to be exhausted: where fairness or a timeout chose, no reduction sees all orders."""
        claims = [claim for claim in self._claims if claim != ALL or not self.unfree]
        return claims[-1] if claims else ""

    def claim(self, exhausted: str) -> None:
        """The plan says that this is exhausted by now."""
        if exhausted and exhausted not in self._claims:
            self._claims.append(exhausted)

    def count(self, execution: Execution) -> None:
        """One more was run."""
        self.pruned += execution.pruned
        self.unfree += not execution.free
        if execution.pruned and execution.failure is None:
            return
        self.runs += 1
        self.undecided += execution.undecided
        self._schedules.add(hash(execution.schedule))
        if execution.failure is not None:
            self.failing = execution


_OF_STATES = frozenset({FailureKind.INVARIANT, FailureKind.PROGRESS})


def _colon(claim: str) -> str:
    return f"{claim}: " if claim else ""


def run_plan(
    lab: Laboratory, scenario: Scenario, plan: Plan, *, limit: int | None = None, seconds: float | None = None
) -> Walk:
    """Run what the plan has, until an execution fails; at most so many executions, for at most so many seconds.

    Raises one of CANNOT_LOOK when nothing can be said.
    """
    walk = Walk(plan.goal)
    deadline = None if seconds is None else time.perf_counter() + seconds
    for strategy in plan:
        if walk.runs == limit or (deadline is not None and time.perf_counter() >= deadline):
            break
        walk.count(lab.run(scenario, strategy))
        walk.claim(plan.exhausted)
        if walk.failing is not None:
            return walk
    else:
        walk.ended = True
    walk.claim(plan.exhausted)
    return walk


def watched_words(watched: frozenset[FailureKind]) -> str:
    """What each step was watched for, to end a scope with; "" if for nothing."""
    kinds = " and ".join(f"a {kind}" for kind in sorted(watched))
    return f", each step watched for {kinds}" if kinds else ""
