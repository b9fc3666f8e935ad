"""The flag of Go's map: what is proved of it, what is refuted, and the variant that would be right."""

import pytest
from chapter_checks import assert_all_good, assert_as_said, assert_proved, shortest_run, unneeded

from mapproof.proofs.chapters import Fault
from mapproof.proofs.running.refutations import equivalent
from mapproof.proofs.solving.mutants import check_mutant
from mapproof.proofs.systems.hash_writing import HASH_WRITING
from mapproof.proofs.systems.hash_writing_mutants import (
    ATOMIC_TOGGLE,
    END_OF_GO,
    MUTANTS,
    REFUTED,
    THREE,
    TWO,
    UNNOTICED,
    VARIANT_MUTANTS,
)
from mapproof.proofs.systems.hash_writing_variant import ATOMIC_END, QUIET
from mapproof.spec.evidence import Verdict


@pytest.mark.parametrize("system", [HASH_WRITING, ATOMIC_END], ids=lambda system: system.name)
def test_both_are_proved(system):
    assert_proved(system)
    assert QUIET in ATOMIC_END.claims
    assert QUIET not in HASH_WRITING.claims


@pytest.mark.parametrize("mutant", [*REFUTED, *MUTANTS, *VARIANT_MUTANTS], ids=lambda mutant: mutant.name)
def test_a_mutant_is_what_it_is_said_to_be(mutant):
    assert_as_said(mutant)


def test_no_invariant_is_idle():
    assert not unneeded(HASH_WRITING, MUTANTS)
    assert not unneeded(ATOMIC_END, VARIANT_MUTANTS)


def test_two_writers_that_overlap_may_go_unnoticed():
    """Both find the flag clear, both read it, both set it, both mutate, both find it set, both clear it."""
    steps = ["check", "toggle_read", "toggle_to_set", "end", "clear"]
    assert shortest_run(UNNOTICED) == ([step for step in steps for _ in range(2)], (QUIET,))


def test_an_atomic_toggle_is_enough_for_two_writers_and_not_for_three():
    assert equivalent(ATOMIC_TOGGLE, TWO, seconds=60).fault is Fault.EQUIVALENT
    steps = ["check", "toggle_read", "end", "clear"]
    assert shortest_run(ATOMIC_TOGGLE) == ([step for step in steps for _ in range(3)], (QUIET,))


def test_the_variant_differs_from_go_in_its_end_alone():
    """With Go's end it is refuted, and with Go's end and Go's invariant it is Go's flag again."""
    assert check_mutant(END_OF_GO, timeout=60).verdict is Verdict.REFUTED
    differ = {name for name, made in ATOMIC_END.actions.items() if made is not HASH_WRITING.actions[name]}
    assert differ == {"end", "clear"}


@pytest.mark.parametrize(
    ("system", "calls", "states"),
    [(HASH_WRITING, TWO, 58), (HASH_WRITING, THREE, 236), (ATOMIC_END, THREE, 170)],
    ids=lambda value: getattr(value, "name", None) or str(value),
)
def test_all_runs_of_a_few_calls_are_good(system, calls, states):
    assert_all_good(system, calls, states)
