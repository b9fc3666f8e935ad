"""Thousands of random programs, for as long as one likes: `pytest tests/stateful_tests/soak_dpor.py`, ten minutes."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
import random_programs

SECONDS = 300


@pytest.mark.timeout(3 * SECONDS)
@pytest.mark.parametrize("make", [random_programs.of_primitives, random_programs.in_python])
def test_each_class_of_a_random_program_is_run_once(make: Any) -> None:
    ends = time.monotonic() + SECONDS
    decided = 0
    for seed in itertools.count(1_000):
        if time.monotonic() > ends:
            break
        agreed = random_programs.agrees(make(seed), 3_000)
        assert agreed is not False, f"seed {seed}: {make(seed).name}"
        decided += agreed is True
    print(f"{decided} programs of {seed - 1_000} decided")
    assert decided
