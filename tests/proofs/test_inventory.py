"""The inventory: proved for any number of items, threads and pieces; oversold as soon as the second look is dropped."""

import pytest
from chapter_checks import assert_all_good, assert_as_said, assert_proved, shortest_run, unneeded

from mapproof.proofs.chapters import Bound
from mapproof.proofs.systems.inventory import INVENTORY
from mapproof.proofs.systems.inventory_mutants import MUTANTS, THREE_CALLS


def test_it_is_proved():
    assert_proved(INVENTORY)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_what_it_is_said_to_be(mutant):
    assert_as_said(mutant)


def test_no_invariant_is_idle():
    assert not unneeded(INVENTORY, MUTANTS)


def test_without_the_second_look_the_last_piece_is_sold_twice():
    """Both buyers see it, one after the other has the write lock, and both take it."""
    steps, broken = shortest_run(MUTANTS[0])
    assert broken == ("no more is sold than is there",)
    assert steps.count("first_look") == 2
    assert steps.count("deduct") == 2
    assert max(place for place, step in enumerate(steps) if step == "first_look") < steps.index("deduct")


@pytest.mark.parametrize(
    ("bound", "states"),
    [(THREE_CALLS, 930), (Bound({"Item": 2, "Thread": 2}, {"invoke": 3}), 2375)],
    ids=str,
)
def test_all_runs_of_a_few_calls_are_good(bound, states):
    assert_all_good(INVENTORY, bound, states)
