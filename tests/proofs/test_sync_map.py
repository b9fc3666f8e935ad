"""sync.Map: proved, with every mutant refuted, and the same source explored over a few elements."""

import pytest

from mapproof.proofs.chapters import Fault, Mutant
from mapproof.proofs.concrete import Machine
from mapproof.proofs.exploration import explore, walk
from mapproof.proofs.mutants import check_mutant
from mapproof.proofs.obligations import prove, vacuity
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.systems.sync_map.invariant import live_keys_in_dirty
from mapproof.proofs.systems.sync_map.mutants import (
    AMENDED_NOT_SET,
    DELETE_KEEPS_DIRTY,
    LOAD_DOES_NOT_RECHECK,
    MUTANTS,
    PROMOTION_KEEPS_DIRTY,
    UNEXPUNGE_WITHOUT_INSERT,
)
from mapproof.proofs.systems.sync_map.parts import insert
from mapproof.proofs.systems.sync_map.state import PC, Key, Thread, expunged, m, nil
from mapproof.proofs.terms import one_of, when
from mapproof.proofs.transition_system import action
from mapproof.spec.evidence import Verdict


def elements(threads=1, keys=1, entries=1, maps=2):
    return {
        "Thread": tuple(f"t{i}" for i in range(threads)),
        "Key": tuple(f"k{i}" for i in range(keys)),
        "Pointer": ("nil", "expunged", "v0"),
        "Entry": tuple(f"e{i}" for i in range(entries)),
        "EntryMap": ("nil", *(f"map{i}" for i in range(maps))),
    }


def test_the_invariant_is_inductive():
    proof = prove(SYNC_MAP, timeout=280)
    assert proof.verdict is Verdict.PROVED
    assert len(SYNC_MAP.actions) == 48
    assert len(proof.results) == 49 * len(SYNC_MAP.invariants) + 9  # nine claims in the steps
    asked = {r.obligation.statement for r in proof.results}
    assert asked == {*SYNC_MAP.invariants, *SYNC_MAP.claims}


def test_every_step_can_happen_but_the_dead_one():
    found = vacuity(SYNC_MAP, timeout=280)
    assert found.verdict is Verdict.EXHAUSTED
    assert found.dead == ("dirty_locked_skip",)
    assert len(found.possible) == 47


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_refuted(mutant):
    check = check_mutant(mutant, timeout=280)
    assert check.caught
    c = check.counterexample
    assert c.statement == mutant.breaks.title
    machine = Machine(mutant.system, c.domains)
    before = machine.encode(c.before)
    assert all(machine.holds(before, i) for i in SYNC_MAP.invariants)
    step = machine.step(before, c.action, *(value for _, value in c.arguments))
    assert machine.decode(step.after) == c.after
    assert not machine.holds(step.after, mutant.statement)
    right = Machine(SYNC_MAP, c.domains).step(before, c.action, *(value for _, value in c.arguments))
    assert right is None or all(machine.holds(right.after, i) for i in SYNC_MAP.invariants)


def test_the_three_first_mutants_are_those_of_a_review():
    assert MUTANTS[:3] == (LOAD_DOES_NOT_RECHECK, PROMOTION_KEEPS_DIRTY, UNEXPUNGE_WITHOUT_INSERT)


def test_a_counterexample_names_what_the_code_names():
    text = str(check_mutant(UNEXPUNGE_WITHOUT_INSERT, timeout=280).counterexample)
    lines = text.splitlines()
    assert lines[0].startswith("step    unexpunge_locked(t=t0)    e.unexpungeLocked() succeeds")
    assert lines[1] == "breaks  live keys of read are in dirty"
    assert lines[3] == "        fails for k=k0"
    changed = [line.split() for line in lines if line.startswith("  *")]
    assert ["*", "e0.p", "expunged", "nil"] in changed
    assert ["*", "t0.pc", "UNEXPUNGE", "SWAP_LOCKED"] in changed
    assert all(
        len(names) <= 4 for names in check_mutant(MUTANTS[2], timeout=280).counterexample.domains.values()
    )


def test_a_mutant_that_changes_nothing_of_note_survives():
    """Carrying nil entries over instead of expunging them is a right algorithm: check_mutant must say so."""

    @action(name="try_expunge_locked")
    def copy_nil_too(t: Thread, k: Key) -> None:
        e = m.read.entry[k]
        when(t.pc == PC.DIRTY_COPY, m.read.has[k], ~k.copied, one_of(e.p, nil, expunged))
        insert(m.dirty, k, e)
        k.copied = True

    check = check_mutant(
        Mutant("", SYNC_MAP, (copy_nil_too,), live_keys_in_dirty, Fault.WRONG_ANSWER, MUTANTS[0].bound),
        timeout=280,
    )
    assert check.verdict is Verdict.PROVED
    assert not check.caught


def test_a_mutant_out_of_time_is_not_caught():
    check = check_mutant(PROMOTION_KEEPS_DIRTY, timeout=0.0)
    assert check.verdict is Verdict.UNDECIDED
    assert not check.caught


@pytest.mark.parametrize(
    ("left_out", "step", "breaks"),
    [
        ("lock_owner", "miss_locked_stay", "misses_below_length"),
        ("amended_iff_dirty", "load_recheck_clean", "reader_locals"),
        ("maps_allocated", "load_recheck_hit", "entries_allocated"),
        ("dirty_private", "insert_new", "promotion_loses_no_key"),
    ],
)
def test_the_statements_rest_on_each_other(left_out, step, breaks):
    """Without one of them another is no longer inductive, so a proof of one alone would be worth nothing."""
    rest = [i for i in SYNC_MAP.invariants.values() if i.name != left_out]
    proof = prove(SYNC_MAP.with_invariants("weaker", rest), timeout=280, actions=[step], statement=breaks)
    assert proof.verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    "scope", [elements(), elements(entries=2, maps=3), elements(keys=2, entries=2)], ids=str
)
def test_all_states_over_a_few_elements_are_good(scope):
    found = explore(Machine(SYNC_MAP, scope), most_states=60_000)
    assert found.exhausted
    assert not found.broken
    assert found.states > 150


@pytest.mark.parametrize(
    ("mutant", "claim", "steps"),
    [
        (AMENDED_NOT_SET, "a load answers with a value that the key had at some moment of the call", 15),
        (
            DELETE_KEEPS_DIRTY,
            "a delete that misses changes nothing, and the key was absent at some moment of the call",
            41,
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_visible_mutant_is_reached(mutant, claim, steps):
    """The shortest run from the empty map to a wrong answer, which replays step by step."""
    machine = Machine(mutant.system, elements(keys=2, entries=2, maps=3))
    found = explore(machine, most_states=40_000, invariants=False)
    assert mutant.fault is Fault.WRONG_ANSWER
    assert found.broken == (claim,)
    assert len(found.trace) == steps
    state = machine.initial()
    for name, arguments in found.trace[:-1]:
        step = machine.step(state, name, *arguments)
        assert not step.broken_claims
        state = step.after
    name, arguments = found.trace[-1]
    assert machine.step(state, name, *arguments).broken_claims == (claim,)


def test_two_threads_reach_only_good_states():
    """One thread stores and the other loads the same key, in every order."""

    machine = Machine(SYNC_MAP, elements(threads=2))

    def one_stores_one_loads(state):
        return all(
            machine.read(state, "Thread.pc", t) == "IDLE" or machine.read(state, "Thread.op", t) == does
            for t, does in (("t0", "STORE"), ("t1", "LOAD"))
        )

    found = explore(machine, most_states=60_000, allowed=one_stores_one_loads)
    assert found.exhausted
    assert not found.broken


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_random_runs_see_exactly_the_visible_mutants(mutant):
    """So `visible` is a measured fact; the invisible ones are why the proof is needed."""
    machine = Machine(mutant.system, elements(threads=2, keys=2, entries=6, maps=6))
    found = walk(machine, walks=300, length=250, seed=2)
    assert bool(found.broken) == (mutant.fault is Fault.WRONG_ANSWER)


def test_random_runs_find_nothing_wrong_in_the_real_one():
    machine = Machine(SYNC_MAP, elements(threads=2, keys=2, entries=6, maps=6))
    found = walk(machine, walks=60, length=250, seed=1)
    assert not found.broken
    assert found.states > 10_000


def test_length_counts_the_keys_of_dirty():
    """That `length` is the number of keys is not provable in first-order logic: compared on every state."""
    machine = Machine(SYNC_MAP, elements(keys=2, entries=2))
    compared = 0

    def counted(state):
        nonlocal compared
        dirty = machine.read(state, "SyncMap.dirty")
        keys = sum(machine.read(state, "EntryMap.has", dirty, k) for k in ("k0", "k1"))
        assert machine.read(state, "EntryMap.length", dirty) == keys
        compared += 1
        return True

    assert explore(machine, most_states=60_000, allowed=counted).exhausted
    assert compared > 5_000
