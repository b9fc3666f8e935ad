"""A core is a violation by itself and by forgetting, and none of its operations can be spared."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from random import Random
from typing import Any

import pytest
from histories import random_history
from oracle import linearizable

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.history import Operation
from mapproof.spec.linearizability import Violation, check, core
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.core import core_of, violates
from mapproof.spec.linearizability.groups import AnyGroup, Impossible, split
from mapproof.spec.linearizability.search import Stuck, find_order
from mapproof.spec.operations import Op

ATOMIC = Claims(Contract.ATOMIC, Contract.ATOMIC, Contract.ATOMIC)
WEAK = Claims()
PER_KEY = Claims(range=Contract.PER_KEY, clear=Contract.PER_KEY)


def no_bounds() -> Budget:
    return Budget(10**9, inf)


def groups_of(history: list[Operation], claims: Claims) -> list[AnyGroup]:
    found = split(history, claims, no_bounds())
    return [] if isinstance(found, Impossible) else found


def cases(seed: int, count: int) -> Iterator[tuple[list[Operation], Claims]]:
    random = Random(seed)
    for number in range(count):
        whole_map = number % 2 == 0
        yield random_history(random, whole_map=whole_map), random.choice((WEAK, ATOMIC, PER_KEY))


def stuck_groups(seed: int, count: int) -> Iterator[tuple[AnyGroup, Stuck]]:
    for history, claims in cases(seed, count):
        for group in groups_of(history, claims):
            outcome = find_order(group.actions, group.initial, group.step, no_bounds())
            if isinstance(outcome, Stuck):
                yield group, outcome


@pytest.mark.parametrize("seed", range(4))
def test_a_core_is_a_violation_by_itself(seed: int) -> None:
    violations = 0
    for history, claims in cases(seed, 1_500):
        answer = check(history, claims)
        if isinstance(answer, Violation):
            violations += 1
            assert not linearizable(answer.core, claims)
            assert check(answer.core, claims).verdict is Verdict.VIOLATION
            assert [op.call for op in answer.core] == sorted(op.call for op in answer.core)
            assert all(any(op is other for other in history) for op in answer.core)
            assert "\n" not in answer.explanation
            assert "may be needed" not in answer.explanation
    assert violations > 200


@pytest.mark.parametrize("seed", range(4))
def test_no_operation_of_a_core_can_be_forgotten(seed: int) -> None:
    for group, stuck in stuck_groups(seed, 1_500):
        found = core_of(group, stuck, no_bounds())
        kept = set(found.indices)
        assert found.smallest
        until = group.actions[stuck.place].return_
        seen = [action for action in group.actions if action.call <= until]
        assert violates(group, seen, kept, until, no_bounds())
        for one in kept:
            assert not violates(group, seen, kept - {one}, until, no_bounds())


def indices(group: AnyGroup) -> list[int]:
    return sorted({action.source for action in group.actions})


def wrongly_refuted(seed: int, count: int) -> bool:
    """Whether some group that has an explanation is a violation with operations forgotten."""
    random = Random(seed)
    for history, claims in cases(seed, count):
        for group in groups_of(history, claims):
            if violates(group, group.actions, indices(group), inf, no_bounds()):
                continue
            kept = [index for index in indices(group) if random.random() < 0.6]
            if violates(group, group.actions, kept, inf, no_bounds()):
                return True
    return False


def test_forgetting_never_makes_a_violation() -> None:
    assert not wrongly_refuted(11, 8_000)


@pytest.mark.parametrize("seed", range(2))
def test_forgetting_more_never_brings_a_violation_back(seed: int) -> None:
    random = Random(seed)
    for group, _ in stuck_groups(seed + 20, 2_500):
        kept = indices(group)
        random.shuffle(kept)
        violated = True
        while kept:
            now = violates(group, group.actions, kept, inf, no_bounds())
            assert violated or not now
            violated = now
            kept.pop()


def test_dropping_instead_of_forgetting_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core._Gifts, "_may_meet", lambda *_: False)
    assert wrongly_refuted(11, 500)


def test_a_change_that_still_runs_leaves_the_state_before_it_to_be_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = [
        Operation(0, Op.STORE, "a", (1,), None, 0, 1),
        Operation(0, Op.STORE, "a", (2,), None, 2, 9),
        Operation(1, Op.LOAD, "a", (), (1, True), 4, 5),
        Operation(0, Op.STORE, "a", (1,), None, 20, 21),
    ]
    (group,) = groups_of(history, WEAK)
    assert not violates(group, group.actions, {1, 2, 3}, inf, no_bounds())

    original = core._changes
    monkeypatch.setattr(
        core, "_changes", lambda actions: original(action._replace(return_=action.call) for action in actions)
    )
    assert violates(group, group.actions, {1, 2, 3}, inf, no_bounds())


def test_ignoring_what_a_count_may_have_missed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core._Gifts, "_loosened", lambda self, count, action: count)
    assert wrongly_refuted(11, 8_000)


def long_history(values: int, length: int) -> list[Operation]:
    """One client stores and loads few values in turn, another loads beside it; the last load is stale."""
    history: list[Operation] = []
    for number in range(length):
        time, value = 10 * number, number % values
        history.append(Operation(0, Op.STORE, "a", (value,), None, time, time + 4))
        history.append(Operation(1, Op.LOAD, "a", (), (value, True), time + 5, time + 9))
    stale = ((length - 2) % values, True)
    return [*history, Operation(1, Op.LOAD, "a", (), stale, 10 * length, 10 * length + 1)]


@pytest.mark.parametrize("values", [2, 3, 1_000])
def test_a_core_stays_small_in_a_long_history(values: int) -> None:
    answer = check(long_history(values, 1_000))
    assert isinstance(answer, Violation)
    assert len(answer.core) == 3
    assert answer.core[0].call > 9_900


class FewLooks(Budget):
    """Time is up after so many looks at the clock."""

    def __init__(self, looks: int) -> None:
        super().__init__(10**9, inf)
        self._looks = looks

    def look_at_the_clock(self) -> None:
        self._looks -= 1
        if self._looks < 0:
            raise OutOfBounds("the time limit ran out")


def test_a_bound_that_runs_out_while_shrinking_is_said() -> None:
    history = long_history(3, 50)
    group = groups_of(history, WEAK)[0]
    stuck = find_order(group.actions, group.initial, group.step, no_bounds())
    assert isinstance(stuck, Stuck)
    found = core_of(group, stuck, FewLooks(4))
    assert not found.smallest
    assert violates(group, group.actions, found.indices, inf, no_bounds())


def test_the_answer_says_that_its_core_may_not_be_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(group: AnyGroup, stuck: Stuck, budget: Budget) -> Any:
        return core_of(group, stuck, Budget(1, 0.0))

    monkeypatch.setattr("mapproof.spec.linearizability.core_of", short)
    answer = check(long_history(3, 5))
    assert isinstance(answer, Violation)
    assert answer.explanation.endswith("not all of these may be needed")
    assert not linearizable(answer.core)
