"""Go's built-in map in one thread: held against a dict, the rules of iteration, NaN and -0.0, the repacking, memory.

Each search also catches mutants: `mutants_plain_map.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from plain_maps import (
    HASHES,
    Map,
    Search,
    breaks_a_rule_of_iteration,
    differs_from_a_dict,
    keeps_what_was_deleted,
    leaves_the_wrong_keys,
    len_differs_at_rest,
    never_repacks,
)

from mapproof.impl.plain_map import PlainMap
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.machines import machine_for


@pytest.mark.parametrize(
    ("search", "runs"),
    [
        (differs_from_a_dict, 2_000),
        (breaks_a_rule_of_iteration, 2_000),
        (leaves_the_wrong_keys, 20),
        (never_repacks, 1),
        (len_differs_at_rest, 200),
        (keeps_what_was_deleted, 50),
    ],
)
def test_nothing_wrong_is_found(search: Search, runs: int) -> None:
    for seed in range(runs):
        assert search(PlainMap, seed) is None, seed


@pytest.mark.parametrize("hash_function", HASHES)
def test_sequential_programs_agree_with_the_model(hash_function: Any) -> None:
    def make() -> Map:
        return PlainMap(hash_function=hash_function)

    quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(machine_for(make, adapter_for(make())), settings=quick)
