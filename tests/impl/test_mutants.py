"""Every mutant of the table is caught, by the detector that the table names, in the words that it names."""

from __future__ import annotations

import re

import mutant_table
import pytest
from mutant_table import Caught
from mutants import Detector, Mutant

TABLE = list(mutant_table.rows())


@pytest.mark.parametrize(("mutant", "caught"), TABLE, ids=[str(mutant) for mutant, _ in TABLE])
def test_the_mutant_is_caught(mutant: Mutant, caught: Caught) -> None:
    account = caught(mutant)
    assert re.search(mutant.says, account), (
        f"looked for {mutant.says!r} in:\n{account or 'nothing was found'}"
    )


def test_the_table_is_no_small_one() -> None:
    mutants = [mutant for mutant, _ in TABLE]
    assert len({str(mutant) for mutant in mutants}) == len(mutants) >= 40
    assert all(len(room.MUTANTS) >= 4 for room in mutant_table.ROOMS.values())
    assert {mutant.detector for mutant in mutants} == set(Detector)


def test_the_page_is_the_table() -> None:
    assert mutant_table.PAGE.read_text() == mutant_table.page(), (
        "python tests/impl/mutant_table.py writes it again"
    )
