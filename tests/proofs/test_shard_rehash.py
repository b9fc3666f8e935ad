"""The sharded map and its rehash: proved, every mutant refuted or as good, and what is wrong with it reached."""

import pytest

from mapproof.proofs.chapters import Fault
from mapproof.proofs.running.exploration import explore, machine_within, rendered
from mapproof.proofs.running.refutations import classify
from mapproof.proofs.solving.mutants import check_mutant
from mapproof.proofs.solving.obligations import prove, vacuity
from mapproof.proofs.systems import chapters
from mapproof.proofs.systems.shard_rehash import SHARD_REHASH, mutants, tombstones
from mapproof.proofs.systems.shard_rehash.mutants import MUTANTS
from mapproof.proofs.systems.shard_rehash.tombstones import NO_TOMBSTONE, TOMBSTONE_REHASH
from mapproof.spec.evidence import Verdict

ALL_MUTANTS = (*MUTANTS, *tombstones.MUTANTS)
QUICK = [
    mutant
    for mutant in ALL_MUTANTS
    if mutant.original is TOMBSTONE_REHASH or mutant.bound.elements["Thread"] == 1
]
"""The others are run by `soak_shard_rehash.py`."""

by_name = pytest.mark.parametrize("mutant", ALL_MUTANTS, ids=lambda mutant: mutant.name)


def test_both_chapters_are_listed():
    systems = [chapter.system for chapter in chapters()]
    assert SHARD_REHASH in systems
    assert TOMBSTONE_REHASH in systems


@pytest.mark.parametrize(("system", "actions"), [(SHARD_REHASH, 52), (TOMBSTONE_REHASH, 13)])
def test_the_invariant_is_inductive(system, actions):
    proof = prove(system, timeout=280)
    assert proof.verdict is Verdict.PROVED
    assert len(system.actions) == actions
    asked = {r.obligation.statement for r in proof.results}
    assert asked == {*system.invariants, *system.claims}


def test_every_step_can_happen_but_the_dead_ones():
    found = vacuity(SHARD_REHASH, timeout=280)
    assert found.verdict is Verdict.EXHAUSTED
    assert found.dead == ("compare_differs", "drop")
    assert vacuity(TOMBSTONE_REHASH, timeout=280).dead == ()


@by_name
def test_a_mutant_breaks_what_it_is_said_to_break(mutant):
    check = check_mutant(mutant, timeout=280)
    if mutant.fault is Fault.EQUIVALENT:
        assert check.verdict is Verdict.PROVED
    else:
        assert check.verdict is Verdict.REFUTED
        assert check.counterexample.statement == mutant.breaks.title


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_a_mutant_is_as_bad_as_it_is_said_to_be(mutant):
    found = classify(mutant, mutant.statement, seconds=280)
    assert found.fault is mutant.fault


def test_without_tombstones_a_deleted_key_comes_back():
    """Two threads and a cursor: it loads v0, a delete goes to both shards, and it puts v0 back."""
    found = classify(NO_TOMBSTONE, NO_TOMBSTONE.statement, seconds=280)
    assert found.broken == ("a load answers with what the key held at some moment of the call",)
    steps = [name for name, _ in found.trace]
    assert steps.index("cursor_load") < steps.index("write_new") < steps.index("cursor_store")
    assert "tombstone" not in rendered(machine_within(NO_TOMBSTONE.system, NO_TOMBSTONE.bound), found.trace)
    assert len(steps) == 19


@pytest.mark.parametrize(
    ("left_out", "step", "breaks"),
    [
        ("torn_keys", "write_old", "writer_locals"),
        ("cursor", "switch_route", "contents"),
        ("copies", "switch_route", "contents"),
        ("pending_shards", "range_bin", "readers"),
    ],
)
def test_the_statements_rest_on_each_other(left_out, step, breaks):
    """Without one of them another is no longer inductive, so a proof of one alone would be worth nothing."""
    rest = [i for i in SHARD_REHASH.invariants.values() if i.name != left_out]
    weaker = SHARD_REHASH.with_invariants("weaker", rest)
    assert prove(weaker, timeout=280, actions=[step], statement=breaks).verdict is Verdict.REFUTED


@pytest.mark.parametrize("chapter", [mutants.CHAPTER, tombstones.CHAPTER], ids=lambda c: c.system.name)
def test_all_states_within_the_small_bounds_are_good(chapter):
    for within in chapter.bounds[:2]:
        found = explore(machine_within(chapter.system, within), symmetric=True)
        assert found.exhausted
        assert not found.broken
