"""The cache: never staler than it says, and never back, for any ttl, any lag and any number of threads."""

import pytest
from chapter_checks import assert_all_good, assert_as_said, assert_proved, unneeded

from mapproof.proofs.chapters import Bound
from mapproof.proofs.systems.local_cache_mutants import AT_ONCE, MUTANTS
from mapproof.proofs.systems.local_cache_shown import LOCAL_CACHE


def test_it_is_proved():
    assert_proved(LOCAL_CACHE)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_what_it_is_said_to_be(mutant):
    assert_as_said(mutant)


def test_no_invariant_is_idle():
    assert not unneeded(LOCAL_CACHE, MUTANTS)


@pytest.mark.parametrize(
    ("bound", "states"),
    [(AT_ONCE, 2980), (Bound({"Change": 2, "Thread": 1}, {"tick": 1, "other_store": 0}), 61440)],
    ids=str,
)
def test_all_runs_of_a_small_scene_are_good(bound, states):
    assert_all_good(LOCAL_CACHE, bound, states)
