"""Is this map right? The one function that a third party calls, and the campaign behind it.

The idea: Hypothesis draws small programs and shrinks them, the explorer runs each in many interleavings, the
checker judges each history. The verdict names what was done: a campaign that finds nothing has SAMPLED.

    from mapproof.stateful_tests.conformance import check_map

    def test_my_map():
        check_map(MyMap, budget=20)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as hypothesis_seed

from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.operations import WHOLE_MAP, Op
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.execution import (
    CANNOT_LOOK,
    NO_CHECKS,
    Checks,
    Execution,
    Laboratory,
    Target,
    laboratory,
)
from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.plan import Turns
from mapproof.stateful_tests.explorer.pos import Pos
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget, Schedule, Strategy
from mapproof.stateful_tests.explorer.urw import Urw
from mapproof.stateful_tests.nondeterminism import differences
from mapproof.stateful_tests.obstruction import LeavingAlone
from mapproof.stateful_tests.real_threads.examination import ThreadFindings, examine_threads
from mapproof.stateful_tests.real_threads.source import Source
from mapproof.stateful_tests.scenarios import Scenario, pairs, scenarios, triples
from mapproof.stateful_tests.shrink import NOT_REPEATED, simplest_counterexample
from mapproof.stateful_tests.targets import target_of
from mapproof.stateful_tests.trace import Counterexample

__all__ = ["Counterexample", "Findings", "MapIsWrong", "UnsuitableTarget", "check_map", "examine"]

FEW_RUNS = 10
MOST_RUNS = 100
"""Runs of one drawn scenario by each strategy: few in the first round, so that many scenarios are seen, then
more with each round."""

RUNS_OF_A_PAIR = 60
"""Of two operations, about as many as there are schedules with one preemption where each takes some thirty steps."""

SCENARIOS_A_ROUND = 60

RUN_TWICE = 5
"""Of so many scenarios one schedule is run twice, lest the map depend on more than that."""

SHRINKING_STEPS = 700_000
"""Shrinking stops after so many steps, a count and not a time, so that a seed gives one counterexample."""

STEPS_OF_A_CALL = 20
"""What an operation of client 0, whose steps are not counted, is taken to cost."""


class MapIsWrong(AssertionError):
    """A map failed its check; the text is the counterexample."""


@dataclass(slots=True)
class Tally:
    """What a campaign has run so far."""

    scenarios: int = 0
    runs: int = 0
    distinct: int = 0
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """What a campaign answers. `trouble` says in one line why it could not look, if so."""

    target: Target
    tally: Tally
    seconds: float
    counterexample: Counterexample | None = None
    trouble: str | None = None
    checks: Checks = NO_CHECKS

    @property
    def verdict(self) -> Verdict:
        if self.counterexample is not None:
            return Verdict.FAILED
        could_not_look = self.trouble is not None or self.tally.undecided or self.tally.runs == 0
        return Verdict.INCONCLUSIVE if could_not_look else Verdict.SAMPLED

    @property
    def scope(self) -> str:
        """What was run and what the map was held to."""
        adapter = self.target.adapter
        weak = [f"{op} {self.target.claims.of(op)}" for op in WHOLE_MAP if op in adapter.forms]
        parts = [
            self.trouble or "",
            f"{self.tally.runs:,} schedules, {self.tally.distinct:,} distinct, of {self.tally.scenarios:,} scenarios",
            f"{self.tally.undecided} histories undecided" if self.tally.undecided else "",
            f"operations: {', '.join(adapter.forms)}",
            f"contracts: {', '.join(weak)}" if weak else "",
            f"watched for {self.checks.alone}" if self.checks.alone is not None else "",
            "switching between whole operations only" if not self._switches_inside else "",
            f"not offered, not tested: {'; '.join(adapter.left_out)}" if adapter.left_out else "",
        ]
        return "; ".join(part for part in parts if part)

    @property
    def _switches_inside(self) -> bool:
        return bool(self.target.files) or any(
            m.__name__.startswith("mapproof.impl") for m in self.target.modules
        )

    def evidence(self) -> Evidence:
        """The same as one line of a table."""
        account = self.counterexample.account if self.counterexample else None
        return Evidence(self.target.name, Kind.EXPLORATION, self.verdict, self.scope, self.seconds, account)


def check_map(
    factory: Callable[[], Any],
    *,
    ops: Iterable[str] | None = None,
    atomic: Iterable[str] = (),
    budget: float = 10.0,
    seed: int = 0,
    backend: str = "simulated",
) -> Findings | ThreadFindings:
    """Test the map that `factory` makes for `budget` seconds; raise MapIsWrong with a counterexample if it fails.

    `ops` limits the operations (names of `spec.operations`), `atomic` names those of range, len and clear that
    the map claims to be atomic. The `backend` "threads" runs real threads in a child process, which must be able to
    import the factory. Raises UnsuitableTarget if the object is no map that can be driven, and
    RuntimeError if the campaign could not look.
    """
    name = getattr(factory, "__qualname__", repr(factory))
    chosen, claimed = None if ops is None else tuple(map(Op, ops)), tuple(map(Op, atomic))
    findings: Findings | ThreadFindings
    if backend == "threads":
        source = Source.of(factory)
        findings = examine_threads(source, budget=budget, seed=seed, ops=chosen, atomic=claimed)
    elif backend == "simulated":
        try:
            target = target_of(factory, name, chosen, claimed)
        except CANNOT_LOOK as trouble:
            raise RuntimeError(f"{name}: {trouble}") from None
        findings = examine(target, budget=budget, seed=seed)
    else:
        raise ValueError(f"backend must be 'simulated' or 'threads', not {backend!r}")
    if findings.counterexample is not None:
        raise MapIsWrong(f"{name}\n\n{findings.counterexample.account}")
    if findings.verdict is Verdict.INCONCLUSIVE:
        raise RuntimeError(f"{name}: {findings.scope}")
    return findings


def examine(
    target: Target,
    *,
    budget: float,
    seed: int,
    progress: Callable[[Tally], None] = lambda tally: None,
    checks: Checks = NO_CHECKS,
) -> Findings:
    """Run a campaign against `target` for `budget` seconds of wall time, or until a failure is found."""
    started = time.perf_counter()
    with laboratory(target, checks) as lab:
        campaign = _Campaign(lab, target, started + budget, seed, progress)
        try:
            found = campaign.search()
            failing = None if found is None else simplest_counterexample(lab, *found)
        except CANNOT_LOOK as trouble:
            seconds = time.perf_counter() - started
            return Findings(target, campaign.tally, seconds, trouble=str(trouble), checks=checks)
    return Findings(target, campaign.tally, time.perf_counter() - started, failing, checks=checks)


class _Found(Exception):
    """Tells Hypothesis that a scenario fails."""


@dataclass(slots=True)
class _Campaign:
    """All programs of two operations, some of three, then rounds of drawn scenarios. A scenario that failed once is remembered, so a
    round is deterministic."""

    lab: Laboratory
    target: Target
    deadline: float
    seed: int
    progress: Callable[[Tally], None]
    tally: Tally = field(default_factory=Tally)
    _failures: dict[Scenario, Execution] = field(default_factory=dict)
    _smallest: Scenario | None = None
    _trouble: BaseException | None = None
    _rounds: int = 0
    _shrinking_steps: int = 0
    _schedules: set[int] = field(default_factory=set)
    _last: Schedule | None = None

    def search(self) -> tuple[Scenario, Execution] | None:
        """The first little program that fails, or the smallest failing scenario of the first round that has one."""
        self._little_programs()
        while time.perf_counter() < self.deadline and self._smallest is None:
            self._rounds += 1
            self._round(self.seed * 1_000_003 + self._rounds)
            if self._trouble is not None and self._smallest is None:
                raise self._trouble
        return None if self._smallest is None else (self._smallest, self._failures[self._smallest])

    def _little_programs(self) -> None:
        """As many as half of the time allows."""
        now = time.perf_counter()
        half = now + (self.deadline - now) / 2
        adapter, keys = self.target.adapter, self.target.keys
        for scenario in chain(pairs(adapter, keys), triples(adapter, keys)):
            if time.perf_counter() >= half or self._fails(scenario):
                break
        if self._trouble is not None and self._smallest is None:
            raise self._trouble

    def _round(self, seed: int) -> None:
        @hypothesis_seed(seed)
        @settings(
            max_examples=SCENARIOS_A_ROUND,
            phases=(Phase.generate, Phase.shrink),
            deadline=None,
            database=None,
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(scenarios(self.target.adapter, self.target.keys))
        def no_scenario_fails(scenario: Scenario) -> None:
            if self._fails(scenario):
                raise _Found

        with contextlib.suppress(_Found):
            no_scenario_fails()

    def _fails(self, scenario: Scenario) -> bool:
        if scenario not in self._failures:
            execution = self._explore(scenario)
            if execution is None:
                return False
            self._failures[scenario] = execution
        self._smallest = scenario
        return True

    def _explore(self, scenario: Scenario) -> Execution | None:
        if self._trouble is not None:
            return None
        try:
            return (
                self._search_for_one(scenario) if self._smallest is None else self._search_smaller(scenario)
            )
        except CANNOT_LOOK as trouble:
            self._trouble = trouble
            return None

    def _search_for_one(self, scenario: Scenario) -> Execution | None:
        if time.perf_counter() >= self.deadline:
            return None
        self.tally.scenarios += 1
        self.progress(self.tally)
        for strategy in self._strategies(scenario):
            execution = self._run(scenario, strategy)
            if execution is not None:
                return execution
        if self.tally.scenarios <= RUN_TWICE:
            self._refuse_what_differs(scenario)
        return None

    def _refuse_what_differs(self, scenario: Scenario) -> None:
        """Run the last schedule twice; by now what the map makes but once has been made."""
        differs = None if self._last is None else differences(self.lab, scenario, self._last)
        if differs is not None:
            raise NondeterministicTarget(f"{NOT_REPEATED}: {differs}")

    def _strategies(self, scenario: Scenario) -> Iterator[Iterator[Strategy]]:
        seed = self.seed * 1_000_003 + self.tally.scenarios
        runs = min(FEW_RUNS * self._rounds, MOST_RUNS)
        if self.lab.checks.alone is not None:
            yield _begun(LeavingAlone(0), MOST_RUNS)
            yield _begun(LeavingAlone(1), MOST_RUNS)
        if not self._rounds and sum(map(len, scenario.threads)) == 2:
            yield _begun(PreemptionBound(1), RUNS_OF_A_PAIR)
            yield _begun(Pct(seed), FEW_RUNS)
            return
        if not self._rounds:
            yield islice(Turns(Pos(seed), Urw(seed), Pct(seed, 4)), _runs_of_a_triple(scenario))
            return
        yield _begun(PreemptionBound(0), runs // 2)
        yield _begun(Urw(seed), runs)
        yield _begun(Pct(seed), runs)
        yield _begun(Pos(seed), runs)
        yield _begun(RandomWalk(seed), runs // 2)

    def _run(self, scenario: Scenario, begun: Iterator[Strategy]) -> Execution | None:
        for strategy in begun:
            if time.perf_counter() >= self.deadline:
                return None
            execution = self.lab.run(scenario, strategy)
            self._count(scenario, execution)
            if execution.failure is not None:
                return execution
        return None

    def _count(self, scenario: Scenario, execution: Execution) -> None:
        self._last = execution.schedule
        self.tally.runs += 1
        self.tally.undecided += execution.undecided
        self._schedules.add(hash((scenario, execution.schedule)))
        self.tally.distinct = len(self._schedules)

    def _search_smaller(self, scenario: Scenario) -> Execution | None:
        """While shrinking: the first failure, the simplest schedules first."""
        alone = STEPS_OF_A_CALL * (len(scenario.setup) + len(scenario.observers))
        for strategy in chain(
            _begun(PreemptionBound(0), MOST_RUNS),
            _begun(PreemptionBound(1), MOST_RUNS),
            _begun(Pct(0), MOST_RUNS // 2),
            _begun(RandomWalk(0), MOST_RUNS // 2),
        ):
            if self._shrinking_steps > SHRINKING_STEPS:
                return None
            execution = self.lab.run(scenario, strategy)
            self._shrinking_steps += execution.steps + alone
            if execution.failure is not None:
                return execution
        return None


def _runs_of_a_triple(scenario: Scenario) -> int:
    """Most where one thread looks twice: that the second answer is older than the first is seen in few schedules."""
    if any(len(thread) == 2 and {call.op for call in thread} == {Op.LOAD} for thread in scenario.threads):
        return 12 * FEW_RUNS
    return 5 * FEW_RUNS if len(scenario.threads) == 2 else 2 * FEW_RUNS


def _begun(strategy: Strategy, limit: int) -> Iterator[Strategy]:
    """The strategy, once for each execution that it has left, at most `limit` times."""
    for _ in range(limit):
        if not strategy.begin():
            return
        yield strategy
