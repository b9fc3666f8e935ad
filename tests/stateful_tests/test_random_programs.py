"""DPOR against brute force on programs that nobody has thought of. `soak_dpor` runs more of them."""

from __future__ import annotations

from typing import Any

import pytest
import random_programs
from random_programs import agrees

from mapproof.stateful_tests.explorer.dpor import Dpor

SEEDS = 25


@pytest.mark.parametrize("make", [random_programs.of_primitives, random_programs.in_python])
def test_each_class_of_a_random_program_is_run_once(make: Any) -> None:
    decided = [(seed, agrees(make(seed), 300)) for seed in range(SEEDS)]
    assert [seed for seed, agreed in decided if agreed is False] == []
    assert sum(agreed is True for _, agreed in decided) >= SEEDS / 4


@pytest.mark.parametrize("make", [random_programs.of_primitives, random_programs.in_python])
def test_random_programs_catch_a_search_that_wakes_nobody(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dpor, "_still_asleep", lambda self, before: before.sleeping | before.explored)
    assert False in (agrees(make(seed), 200) for seed in range(SEEDS))
