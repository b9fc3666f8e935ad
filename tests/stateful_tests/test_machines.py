"""The machine of one map against the model in sequence finds what is wrong without any concurrency."""

from __future__ import annotations

from typing import Any

import maps_to_test as maps
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.machines import machine_for
from mapproof.stateful_tests.targets import target_of

quick = settings(
    max_examples=60,
    stateful_step_count=10,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def run(make: Any, *ops: Op) -> None:
    adapter = target_of(make, "it", ops or None).adapter
    run_state_machine_as_test(machine_for(make, adapter), settings=quick)


@pytest.mark.parametrize("make", [dict, maps.CheckThenAct, maps.GoLikeWithLen])
def test_maps_that_are_right_alone_pass(make: Any) -> None:
    run(make)


def test_a_map_that_is_wrong_alone_fails_in_words() -> None:
    with pytest.raises(AssertionError, match=r"answered .*, the model answers "):
        run(maps.WrongAlone, Op.STORE, Op.LOAD)


def test_invariants_are_checked_at_the_end_of_each_program() -> None:
    with pytest.raises(AssertionError, match="two keys are one too many"):
        run(maps.Invariant, Op.STORE)


def test_the_machine_is_named_after_the_map() -> None:
    assert machine_for(dict, adapter_for({})).__name__ == "dictMachine"
