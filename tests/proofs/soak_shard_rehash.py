"""The larger bounds of the sharded map, and its mutants that need two threads: minutes, so run by hand.

python -m pytest tests/proofs/soak_shard_rehash.py
"""

import pytest

from mapproof.proofs.chapters import Fault
from mapproof.proofs.running.exploration import explore, machine_within
from mapproof.proofs.running.refutations import classify, equivalent
from mapproof.proofs.systems.shard_rehash import mutants
from mapproof.proofs.systems.shard_rehash.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_as_bad_as_it_is_said_to_be(mutant):
    if mutant.fault is Fault.EQUIVALENT:
        assert equivalent(mutant, seconds=280).fault is Fault.EQUIVALENT
    else:
        assert classify(mutant, mutant.statement, seconds=280).fault is mutant.fault


@pytest.mark.parametrize("within", mutants.CHAPTER.bounds, ids=str)
def test_all_states_within_the_bounds_are_good(within):
    found = explore(machine_within(mutants.SHARD_REHASH, within), symmetric=True)
    assert found.exhausted
    assert not found.broken
