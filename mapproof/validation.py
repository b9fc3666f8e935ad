"""Trace validation of the reference maps: the explorer runs the code, the proved system follows each of its steps.

The idea: the two rooms that judge do not know each other, so they are brought together here. Every access that the
explorer lets a map make is handed to `proofs.trace_validation`; a step that the system does not allow ends the run.
The scenarios are chosen so that each action of a system is made by some of them. One that none of them makes has not
been compared with the code: that is a failure too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import combinations_with_replacement, islice
from operator import or_
from typing import Any, Final

from mapproof.impl.sync_map import SyncMap
from mapproof.proofs.trace_validation.binding import Binding
from mapproof.proofs.trace_validation.sync_map import SyncMapBinding
from mapproof.proofs.trace_validation.validator import Validator
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.history import Operation
from mapproof.spec.operations import Op
from mapproof.stateful_tests.catalogue.sync_maps import SYNC_MAP
from mapproof.stateful_tests.catalogue.words import program_of
from mapproof.stateful_tests.execution import Laboratory, laboratory
from mapproof.stateful_tests.explorer.plan import Plan, Turns, bounded
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.targets import target_of


@dataclass(frozen=True, slots=True)
class Situation:
    """What meets what, in words (`catalogue.words`): the setup and one program for each thread."""

    setup: str
    threads: tuple[str, ...]

    def __str__(self) -> str:
        clients = (f"client {n}: {program}" for n, program in enumerate(self.threads, 1))
        return " | ".join([*([f"client 0: {self.setup}"] if self.setup else []), *clients])

    @property
    def scenario(self) -> Scenario:
        return Scenario(program_of(self.setup), tuple(map(program_of, self.threads)), ())


@dataclass(frozen=True, slots=True)
class Subject:
    """A map and what is run on it: `bounds` has the situations that are explored with at most so many preemptions.

    `bindings` makes those of the map to a system for these situations: each run is followed by one of them at a time.
    """

    name: str
    factory: Callable[[], Any]
    bounds: tuple[tuple[int, tuple[Situation, ...]], ...]
    bindings: Callable[[Sequence[Situation]], Sequence[Binding]]


@dataclass(slots=True)
class Validation:
    """What was run, and what came of it."""

    schedules: int = 0
    matched: int = 0
    outside: int = 0
    states: int = 0
    actions: frozenset[str] = frozenset()
    covered: set[str] = field(default_factory=set)
    complaint: str | None = None
    undecided: str | None = None

    @property
    def uncovered(self) -> frozenset[str]:
        """The actions that no run made, though they are not said to be dead."""
        return self.actions - self.covered

    @property
    def over(self) -> bool:
        return self.complaint is not None or self.undecided is not None


def validated(subject: Subject, seed: int = 0, walks: int = 0) -> Validation:
    """Run every schedule within the bounds, then so many random ones of each situation, until something is wrong."""
    result = Validation()
    situations = [situation for _, some in subject.bounds for situation in some]
    target = target_of(subject.factory, subject.name)
    for binding in subject.bindings(situations):
        follower = _Follower(Validator(binding), subject.factory)
        with laboratory(replace(target, factory=follower.make)) as lab:
            follower.watch(lab)
            for bound, some in subject.bounds:
                for situation in some:
                    follower.explore(lab, situation, bounded(bound), None, result)
            for number, situation in enumerate(situations if walks else ()):
                plan = Turns(RandomWalk(seed + number))
                follower.explore(lab, situation, plan, walks, result)
        follower.report(result)
        if result.over:
            break
    return result


class _Follower:
    """Lets the explorer's runs be followed by a validator."""

    def __init__(self, validator: Validator, factory: Callable[[], Any]) -> None:
        self._validator = validator
        self._factory = factory

    def make(self) -> Any:
        made = self._factory()
        self._validator.begin(made)
        return made

    def watch(self, lab: Laboratory) -> None:
        validator = self._validator

        def step(client: int, doing: Any) -> None:
            validator.step(client, doing)
            if validator.over:
                lab.simulation.stop()

        def announce(client: int, call: Call, operation: Operation | None) -> None:
            if operation is not None:
                validator.returned(client, operation.result, operation.error)

        lab.watch(step, announce)

    def explore(
        self, lab: Laboratory, situation: Situation, plan: Plan, limit: int | None, result: Validation
    ) -> None:
        """Follow what the plan has, at most `limit` runs, unless something was wrong before."""
        if result.over:
            return
        scenario, validator = situation.scenario, self._validator
        for strategy in islice(plan, limit):
            execution = lab.run(scenario, strategy)
            result.schedules += 1
            result.undecided = validator.undecided
            if validator.complaint is not None:
                result.complaint = f"{situation}\n{validator.complaint}"
            elif execution.failure is not None:
                result.complaint = f"{situation}\n{execution.failure.summary}"
            if result.over:
                return

    def report(self, result: Validation) -> None:
        validator = self._validator
        result.matched += validator.matched
        result.outside += validator.outside
        result.states += validator.model.states
        result.covered |= validator.covered
        actions = validator.binding.system.actions.values()
        result.actions = frozenset(action.name for action in actions if action.dead is None)


def evidence(subject: Subject, seed: int = 0, walks: int = 0) -> Evidence:
    """What was found, as one line of a table."""
    started = time.process_time()
    result = validated(subject, seed, walks)
    bounds = " and ".join(
        f"every schedule with at most {bound} preemptions of {len(some)} scenarios"
        for bound, some in subject.bounds
    )
    drawn = f", and {walks} random ones of each" if walks else ""
    scope = f"{bounds}{drawn}: {result.schedules:,} schedules, {result.matched:,} accesses matched"
    verdict, account = Verdict.EXHAUSTED, None
    if result.undecided is not None:
        verdict, scope = Verdict.INCONCLUSIVE, result.undecided
    elif result.complaint is not None:
        verdict, scope, account = Verdict.FAILED, f"schedule {result.schedules:,}", result.complaint
    elif result.uncovered:
        verdict = Verdict.FAILED
        account = f"actions of the model that no scenario makes: {', '.join(sorted(result.uncovered))}"
    else:
        scope = f"{scope}, all {len(result.actions)} actions of the model made"
    seconds = time.process_time() - started
    name = f"{subject.name}: the code follows the proved model"
    return Evidence(name, Kind.EXPLORATION, verdict, scope, seconds, account)


def validate(seed: int) -> list[Evidence]:
    """One line for each map that has a system."""
    return [evidence(subject, seed) for subject in (SYNC_MAP_SUBJECT,)]


# ------------------------------------------------------------------------------------------------ SyncMap

_PREPARED: Final = (
    ("", "a", "b"),
    ("store a 1; load a", "a", "b"),
    ("store a 1; load a; store b 2", "b", "a"),
    ("store a 1; load a; delete a", "a", "b"),
    ("store a 1; load a; delete a; store b 2", "a", "b"),
    ("store a 1; load a; store b 2; load b", "b", "c"),
)
"""A map that is empty; clean; with a key that only dirty has; with a deleted key; with an expunged one; one miss short
of a promotion. The key that is then operated on, and another for the second operation."""

_OPERATIONS: Final = (
    "load {key}",
    "swap {key} {value}",
    "load_or_store {key} {value}",
    "load_and_delete {key}",
    "compare_and_swap {key} {old} {value}",
    "compare_and_delete {key} {old}",
    "range",
    "clear",
)


def _pairs() -> Iterator[Situation]:
    """Every two operations on one key of a prepared map."""
    for setup, key, _ in _PREPARED:
        old = {"a": 1, "b": 2}[key]
        for one, other in combinations_with_replacement(_OPERATIONS, 2):
            yield Situation(
                setup,
                (one.format(key=key, old=old, value=3), other.format(key=key, old=old, value=4)),
            )


_AIMED: Final = (
    *SYNC_MAP.values(),
    ("store a 1; load a; store b 2", ("load_and_delete c", "load_and_delete b")),
    ("store a 1; load a; store b 2", ("compare_and_delete b 2", "load_and_delete b")),
    ("store a 1; load a", ("compare_and_swap a 1 2", "swap a 1")),
    ("store a 1; load a; store b 2", ("range", "range")),
    ("store a 1", ("clear", "clear; store b 2")),
    ("store a 1; load a; store b 2; clear", ("store a 3", "store b 4; load a")),
)
"""What aims at the steps that two operations of a prepared map do not meet at."""


def _bindings(situations: Sequence[Situation]) -> list[Binding]:
    """Ranges are followed with each of two keys in turn."""
    scenarios = [situation.scenario for situation in situations]
    calls = [call for scenario in scenarios for call in scenario.calls()]
    keys = sorted({call.key for call in calls if call.key is not None})
    stored = [Counter(call.args[-1] for call in each.calls() if call.op in _STORING) for each in scenarios]
    values = sorted(reduce(or_, stored).elements())
    stores = max(counter.total() for counter in stored)
    clears = max(sum(call.op is Op.CLEAR for call in scenario.calls()) for scenario in scenarios)
    clients = 1 + max(len(scenario.threads) for scenario in scenarios)
    return [
        SyncMapBinding(clients=clients, keys=keys, values=values, maps=1 + stores + clears, followed=followed)
        for followed in keys[:1]
    ]


_STORING: Final = frozenset({Op.STORE, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP})

SYNC_MAP_SUBJECT: Final = Subject(
    "SyncMap",
    SyncMap,
    ((2, tuple(Situation(*words) for words in _AIMED)), (1, tuple(_pairs()))),
    _bindings,
)
