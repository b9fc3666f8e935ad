"""The inventories never oversell: every schedule of small scenarios, real threads, and the slips that would."""

from __future__ import annotations

import re

import pytest
from mutants import Mutant
from mutants_inventory import MUTANTS, alarms, caught, real_threads


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_each_slip_is_caught_by_the_detector_that_must(mutant: Mutant) -> None:
    assert re.search(mutant.says, caught(mutant), re.DOTALL), caught(mutant)


def test_no_alarm_for_the_inventories_as_they_are() -> None:
    assert alarms(2_000, seed=1) == []


def test_real_threads() -> None:
    assert real_threads(0.0).startswith("LINEARIZABLE: ")
