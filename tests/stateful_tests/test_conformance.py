"""Is this map right? Broken maps are found, with small scenarios; right ones are acquitted, in so many words."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import maps_to_test as maps
import pytest
from zoo import zoo_map

from mapproof.impl.sync_map import SyncMap
from mapproof.spec.evidence import Kind, Verdict
from mapproof.spec.linearizability import Unknown
from mapproof.spec.operations import Op
from mapproof.stateful_tests import execution
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.conformance import (
    Findings,
    MapIsWrong,
    UnsuitableTarget,
    check_map,
    examine,
)
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.targets import target_of

BROKEN: dict[str, tuple[set[FailureKind], int]] = {
    "check_then_act": ({FailureKind.VIOLATION}, 2),
    "abba": ({FailureKind.DEADLOCK}, 2),
    "leaky_lock": ({FailureKind.DEADLOCK}, 2),
    "lossy_resize": ({FailureKind.VIOLATION}, 4),
    "torn_pop": ({FailureKind.VIOLATION, FailureKind.EXCEPTION}, 3),
    "unlocked_iter": ({FailureKind.EXCEPTION, FailureKind.VIOLATION}, 3),
}
"""What each is found to do, and the most operations that its threads need to show it, setup included."""

CORRECT = ["rlock_dict", "striped", "read_write_lock"]


def examined(make: Callable[[], Any], budget: float, seed: int = 0) -> Findings:
    return examine(target_of(make, make.__name__), budget=budget, seed=seed)


@cache
def found(name: str, seed: int) -> Findings:
    return examined(zoo_map("broken", name), 20, seed)


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        pytest.param("check_then_act", 0, marks=pytest.mark.interpreter),
        pytest.param("lossy_resize", 0, marks=pytest.mark.interpreter),
        *((name, 0) for name in BROKEN if name not in ("check_then_act", "lossy_resize")),
        ("abba", 1),
    ],
)
def test_a_broken_map_is_found_and_made_small(name: str, seed: int) -> None:
    findings = found(name, seed)
    assert findings.verdict is Verdict.FAILED
    counterexample = findings.counterexample
    assert counterexample is not None
    assert counterexample.execution.failure is not None
    kinds, most = BROKEN[name]
    assert counterexample.execution.failure.kind in kinds
    scenario = counterexample.scenario
    assert sum(bool(thread) for thread in scenario.threads) <= 2
    assert len(scenario.setup) + sum(map(len, scenario.threads)) <= most, scenario
    assert len(counterexample.execution.schedule.switches) <= 3
    assert counterexample.account.startswith(f"{counterexample.execution.failure.kind.value.upper()}: ")


@pytest.mark.parametrize("name", ["abba"])
def test_a_seed_gives_one_counterexample(name: str) -> None:
    again = examined(zoo_map("broken", name), 20, seed=0)
    assert again.counterexample == found(name, 0).counterexample
    assert again.tally == found(name, 0).tally


@pytest.mark.interpreter
@pytest.mark.parametrize("name", CORRECT)
def test_a_right_map_is_not_accused(name: str) -> None:
    findings = examined(zoo_map("correct", name), 1.5)
    assert findings.verdict is Verdict.SAMPLED, findings.counterexample
    assert findings.tally.runs > 50
    assert 1 < findings.tally.distinct <= findings.tally.runs
    assert findings.seconds < 30  # of 1.5, on a machine that does much else
    assert "whole operations only" not in findings.scope


@pytest.mark.interpreter
def test_of_a_dict_it_is_said_that_nothing_was_switched_inside_its_operations() -> None:
    findings = examined(dict, 0.5)
    assert findings.verdict is Verdict.SAMPLED
    assert "switching between whole operations only" in findings.scope


@pytest.mark.interpreter
def test_a_reference_map_is_switched_inside() -> None:
    findings = examined(SyncMap, 0.7)
    assert findings.verdict is Verdict.SAMPLED
    assert "whole operations only" not in findings.scope
    assert "contracts: range per_key, clear atomic" in findings.scope


def test_the_scope_says_what_was_run() -> None:
    findings = examined(maps.SmallDict, 0.5)
    tally = findings.tally
    assert re.match(
        f"{tally.runs:,} schedules, {tally.distinct:,} distinct, of {tally.scenarios:,} scenarios; "
        "operations: load, store, load_and_delete; ",
        findings.scope,
    )
    assert "not offered, not tested: m.get(k, MISSING) (TypeError: " in findings.scope
    assert findings.evidence().scope == findings.scope


def test_the_evidence_of_a_campaign() -> None:
    evidence = examined(maps.CheckThenAct, 20).evidence()
    assert (evidence.name, evidence.kind, evidence.verdict) == (
        "CheckThenAct",
        Kind.EXPLORATION,
        Verdict.FAILED,
    )
    assert evidence.counterexample is not None


def test_check_map_raises_the_account() -> None:
    with pytest.raises(MapIsWrong, match=r"^CheckThenAct\n\nNOT LINEARIZABLE: ") as raised:
        check_map(maps.CheckThenAct, budget=20)
    assert isinstance(raised.value, AssertionError)
    assert "history, call..return" in str(raised.value)


def test_check_map_answers_with_the_findings() -> None:
    findings = check_map(dict, budget=0.3, ops=["load", "store"])
    assert findings.verdict is Verdict.SAMPLED
    assert set(findings.target.adapter.forms) == {"load", "store"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ops": ["swap"]}, UnsuitableTarget),
        ({"ops": ["nonsense"]}, ValueError),
        ({"atomic": ["x"]}, ValueError),
    ],
)
def test_check_map_refuses_what_it_cannot_do(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_map(dict, budget=0.3, **options)


def test_check_map_refuses_what_is_no_map() -> None:
    with pytest.raises(UnsuitableTarget, match="is not a map"):
        check_map(maps.NoMap)


def test_limiting_the_operations_hides_the_bug_and_says_so() -> None:
    findings = check_map(maps.CheckThenAct, budget=0.5, ops=["load", "store"])
    assert "operations: load, store;" in f"{findings.scope};"


def test_a_claim_makes_the_same_map_wrong() -> None:
    """Its `len` is no snapshot: wrong only where one is claimed."""
    programs = ("store a 1", "len", "store b 2; delete a")
    verdicts = {}
    for atomic in ([], [Op.LEN]):
        target = target_of(maps.TwoStepLen, "it", atomic=atomic)
        scenario = scenario_of(target.adapter, *programs)
        verdicts[len(atomic)] = Exhaustion("it", target, scenario, bound=1).run().verdict
    assert verdicts == {0: Verdict.EXHAUSTED, 1: Verdict.FAILED}


def test_undecided_histories_make_it_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "check", lambda *args, **options: Unknown("on purpose"))
    monkeypatch.setattr(execution, "explained_by_returns", lambda operations: False)
    findings = examined(dict, 0.3)
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert f"{findings.tally.undecided} histories undecided" in findings.scope
    with pytest.raises(RuntimeError, match="histories undecided"):
        check_map(dict, budget=0.3)


def test_a_map_that_changes_from_run_to_run_is_inconclusive() -> None:
    class Moody(maps.GoLike):
        """It stops at more and more places."""

        turns = 0

        def store(self, key: Any, value: Any) -> None:
            type(self).turns += 1
            for _ in range(type(self).turns % 7):
                self._d.get(key)
            self._d[key] = value

    findings = examined(Moody, 10)
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert findings.trouble is not None
    assert "\n" not in findings.scope
