"""Trace validation of the reference maps: the explorer runs the code, the proved system follows each of its steps.

The idea: the two rooms that judge do not know each other, so they are brought together here. Every access that the
explorer lets a map make is handed to `proofs.trace_validation`; a step that the system does not allow ends the run.
The scenarios (`validated_maps`) are chosen so that each action of a system is made in some of them. One that is made
in none has not been compared with the code: that is a failure too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from mapproof.proofs.trace_validation.binding import Rule
from mapproof.proofs.trace_validation.validator import Validator
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.history import Operation
from mapproof.stateful_tests.execution import CANNOT_LOOK, Laboratory, laboratory
from mapproof.stateful_tests.explorer.plan import Plan, Turns, bounded
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.scenarios import Call
from mapproof.stateful_tests.targets import target_of
from mapproof.validated_maps import Ground, Situation, Subject


@dataclass(slots=True)
class Validation:
    """What was run, and what came of it. `accesses` were matched with the model, which was in so many `states`;
    `outside` are those of what it does not speak of. `unreached` are the actions that no run made, and the ways to make one
    that none took."""

    schedules: int = 0
    accesses: int = 0
    outside: int = 0
    states: int = 0
    covered: set[str] = field(default_factory=set)
    used: set[Rule] = field(default_factory=set)
    unreached: list[str] = field(default_factory=list)
    complaint: str | None = None
    undecided: str | None = None

    @property
    def over(self) -> bool:
        """Nothing more is to be learnt."""
        return self.complaint is not None or self.undecided is not None


def validated(subject: Subject, *, walks: int = 0, seed: int = 0) -> Validation:
    """Run every schedule within the bounds, then so many random ones of each situation, until something is wrong.

    Raises one of CANNOT_LOOK when nothing can be said.
    """
    result = Validation()
    for ground in subject.grounds:
        for key in ground.keys:
            _follow(ground, key, result, walks, seed)
            if result.over:
                return result
    result.unreached = list(_unreached(subject, result))
    return result


def _unreached(subject: Subject, result: Validation) -> Iterator[str]:
    actions = subject.system.actions
    yield from (a.name for a in actions.values() if a.dead is None and a.name not in result.covered)
    for rule in subject.rules:
        if rule not in result.used and (rule.action is None or actions[rule.action].dead is None):
            yield f"{rule.action or 'nothing'} by {' and '.join(map(str, rule.touches))}"


def _follow(ground: Ground, key: Any, result: Validation, walks: int, seed: int) -> None:
    """One validator for all situations of the ground: they have most of their states in common."""
    validator = Validator(ground.binding(ground, key))
    with _followed(ground, validator) as lab:
        for situation, plan, limit in _plans(ground, key, walks, seed):
            _explore(lab, validator, situation, plan, limit, result)
            if result.over:
                break
    result.accesses += validator.matched
    result.outside += validator.outside
    result.states += validator.model.states
    result.covered |= validator.covered
    result.used |= validator.follower.used


def _plans(ground: Ground, key: Any, walks: int, seed: int) -> Iterator[tuple[Situation, Plan, int | None]]:
    """What is run: ranges with each of their keys in turn as the one that is followed, all else with the first."""
    for bound, some in ground.bounds:
        for number, situation in enumerate(some):
            if key == ground.keys[0] or situation.depends_on(key):
                plan = Turns(RandomWalk(seed + number)) if walks else bounded(bound)
                yield situation, plan, walks or None


def _explore(
    lab: Laboratory,
    validator: Validator,
    situation: Situation,
    plan: Plan,
    limit: int | None,
    result: Validation,
) -> None:
    scenario = situation.scenario
    validator.setup = situation.setup
    for strategy in islice(plan, limit):
        execution = lab.run(scenario, strategy)
        result.schedules += 1
        result.undecided = validator.undecided
        wrong = validator.complaint or (execution.failure and execution.failure.summary)
        if wrong is not None:
            result.complaint = f"{situation}\n{wrong}"
        if result.over:
            return


@contextmanager
def _followed(ground: Ground, validator: Validator) -> Iterator[Laboratory]:
    """A laboratory whose runs are followed by the validator."""

    def make() -> Any:
        made = ground.factory()
        validator.begin(made)
        return made

    def step(client: int, doing: Any) -> None:
        validator.step(client, doing)
        if validator.over:
            lab.simulation.stop()

    def announce(client: int, call: Call, operation: Operation | None) -> None:
        if operation is not None:
            validator.returned(client, operation.result, operation.error)

    target = target_of(ground.factory, ground.factory.__name__)
    # Threads stop at the hook alone, whatever file a map is in: the model knows of nothing in between.
    with laboratory(replace(target, factory=make, files=frozenset(), modules=())) as lab:
        lab.watch(step, announce)
        yield lab


def evidence(subject: Subject, *, walks: int = 0, seed: int = 0) -> Evidence:
    """What was found, as one line of a table."""
    started = time.perf_counter()
    name = f"{subject.name}: the code follows the proved model"
    account = None
    try:
        result = validated(subject, walks=walks, seed=seed)
        verdict, scope, account = _verdict(subject, result, sampled=walks > 0)
    except CANNOT_LOOK as trouble:
        verdict, scope = Verdict.INCONCLUSIVE, str(trouble)
    return Evidence(name, Kind.EXPLORATION, verdict, scope, time.perf_counter() - started, account)


def _verdict(subject: Subject, result: Validation, sampled: bool) -> tuple[Verdict, str, str | None]:
    if result.complaint is not None:
        return Verdict.FAILED, f"schedule {result.schedules:,}", result.complaint
    if result.undecided is not None:
        return Verdict.INCONCLUSIVE, result.undecided, None
    ran = f"{result.schedules:,} schedules, {result.accesses:,} accesses matched"
    if result.outside:
        ran += f" beside {result.outside:,} to words that the model has not"
    live = [action for action in subject.system.actions.values() if action.dead is None]
    if sampled:
        return Verdict.SAMPLED, f"{ran}, {len(result.covered)} of {len(live)} actions of the model made", None
    if result.unreached:
        missing = "\n  ".join(["what no scenario makes of the model:", *result.unreached])
        return Verdict.FAILED, ran, missing
    scope = f"every schedule with {_bounds(subject)}: {ran}, all {len(live)} actions of the model made"
    return Verdict.EXHAUSTED, scope, None


def _bounds(subject: Subject) -> str:
    """How many scenarios there are for each bound."""
    scenarios: Counter[int] = Counter()
    for ground in subject.grounds:
        for bound, some in ground.bounds:
            scenarios[bound] += len(some)
    said = (f"preemptions <= {bound} of {count} scenarios" for bound, count in sorted(scenarios.items()))
    return " and with ".join(said)
