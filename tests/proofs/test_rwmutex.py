"""Go's RWMutex: proved for any number of readers and writers, and for any MAX_READERS."""

import pytest
from chapter_checks import assert_all_good, assert_as_said, assert_proved, shortest_run, unneeded

from mapproof.proofs.chapters import Bound
from mapproof.proofs.running.exploration import explore, machine_within
from mapproof.proofs.solving.obligations import prove
from mapproof.proofs.systems.rwmutex_mutants import MUTANTS, NEWCOMER_FIRST, REFUTED
from mapproof.proofs.systems.rwmutex_shown import RWMUTEX
from mapproof.spec.evidence import Verdict


def test_it_is_proved():
    assert_proved(RWMUTEX)


@pytest.mark.parametrize("mutant", [*REFUTED, *MUTANTS], ids=lambda mutant: mutant.name)
def test_a_mutant_is_what_it_is_said_to_be(mutant):
    assert_as_said(mutant)


def test_no_invariant_is_idle():
    assert not unneeded(RWMUTEX, MUTANTS + REFUTED)


@pytest.mark.parametrize("name", ["writer_is_preferred", "rank_falls"])
def test_a_property_of_steps_is_refuted_of_some_mutant(name):
    refuted = [
        mutant.name
        for mutant in MUTANTS
        if prove(
            mutant.system, timeout=60, actions=[made.name for made in mutant.replaced], statement=name
        ).verdict
        is Verdict.REFUTED
    ]
    assert refuted


@pytest.mark.parametrize(
    "name", ["writer_is_helped", "reader_is_helped", "rank_is_enough", "mutual_exclusion"]
)
def test_a_lemma_is_false_in_some_state_that_a_mutant_reaches(name):
    """So it says something: a sleeper that nobody wakes is reached when a line is wrong."""
    runs = [
        explore(machine_within(m.system, m.bound), most_states=10_000, until_claim=True).runs for m in MUTANTS
    ]
    assert any(name in run for run in runs)


def test_a_newcomer_may_take_a_wake_up_and_then_a_second_writer_passes_a_reader():
    steps, broken = shortest_run(NEWCOMER_FIRST)
    assert broken == ("no reader is passed by a second writer",)
    assert steps.count("unlock") == 1
    assert steps[-1] in {"lock_all_have_left", "lock_wakes"}


def test_on_plain_values_two_readers_can_meet_a_writer():
    machine = machine_within(RWMUTEX, Bound({}))
    assert machine.read(machine.initial(), "RWMutex.MAX_READERS") == 3
    assert_all_good(RWMUTEX, Bound({}), 177)
