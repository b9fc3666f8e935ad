"""sync.Map: proved, each part of the proof worth something, and the same source run over a few elements."""

from collections import Counter

import pytest
from chapter_checks import assert_all_good, shortest_run
from sync_map_runs import QUICK, Run, each_state, part

from mapproof.proofs.chapters import Fault
from mapproof.proofs.running.concrete import Machine
from mapproof.proofs.running.exploration import walk
from mapproof.proofs.running.refutations import classify, equivalent
from mapproof.proofs.solving.mutants import check_mutant
from mapproof.proofs.solving.obligations import prove, vacuity
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.systems.sync_map.consequences import LEMMAS, STEP_PROPERTIES
from mapproof.proofs.systems.sync_map.mutants import (
    LOAD_DOES_NOT_RECHECK,
    MUTANTS,
    PROMOTION_KEEPS_DIRTY,
    UNEXPUNGE_WITHOUT_INSERT,
)
from mapproof.proofs.transition_system import Invariant
from mapproof.spec.evidence import Verdict

REFUTED = [mutant for mutant in MUTANTS if mutant.breaks is not None]

NEEDED_BY = {
    "nil_map_is_empty": ("promote_dirty", "maps_allocated"),
    "maps_allocated": ("read", "range_locals"),
    "present_not_cleared": ("read", "held_cleared"),
    "key_injective": ("lookup_hit", "held_serves"),
    "nothing_expunged_when_clean": ("dirty_locked", "copy_progress"),
    "copy_progress": ("any state", "unamended_read_is_whole"),
    "seen_current": ("read", "absent_seen"),
    "held_serves": ("unexpunge_locked", "held_current"),
    "held_detached": ("entry_load", "answer_ready"),
    "not_yet_done": ("lookup_miss", "answer_ready"),
}
"""The statements that no mutant names, and a step that breaks another one when they are not assumed."""


def test_every_operation_is_proved():
    proof = prove(SYNC_MAP, timeout=280)
    assert proof.verdict is Verdict.PROVED, "\n".join(map(str, proof.counterexamples()))
    asked = {r.obligation.statement for r in proof.results}
    assert asked == {*SYNC_MAP.invariants, *SYNC_MAP.lemmas, *SYNC_MAP.step_properties, *SYNC_MAP.claims}
    assert len(SYNC_MAP.actions) == 62
    assert len(SYNC_MAP.invariants) == 30
    assert len(proof.results) == 2178


def test_every_step_can_happen_but_the_dead_one():
    found = vacuity(SYNC_MAP, timeout=280)
    assert found.verdict is Verdict.EXHAUSTED
    assert found.dead == ("dirty_copy_expunged",)
    assert len(found.possible) == 61


@pytest.mark.parametrize("mutant", REFUTED, ids=lambda mutant: mutant.name)
def test_a_mutant_is_refuted(mutant):
    """At the statement that it names, by a state that runs: all hold before, and the right steps break nothing."""
    check = check_mutant(mutant, timeout=280)
    assert check.as_said
    c = check.counterexample
    machine = Machine(mutant.system, c.domains)
    before, values = machine.encode(c.before), tuple(value for _, value in c.arguments)
    assert all(machine.holds(before, i) for i in SYNC_MAP.invariants)
    step = machine.step(before, c.action, *values)
    assert machine.decode(step.after) == c.after
    if isinstance(mutant.breaks, Invariant):
        assert c.statement == mutant.breaks.title
        assert not machine.holds(step.after, mutant.statement)
    right = Machine(SYNC_MAP, c.domains)
    if SYNC_MAP.actions[c.action].parameters == mutant.system.actions[c.action].parameters:
        step = right.step(before, c.action, *values)
        assert step is None or all(right.holds(step.after, i) for i in SYNC_MAP.invariants)


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.breaks is None], ids=lambda mutant: mutant.name)
def test_a_version_that_is_as_good_is_proved_and_run(mutant):
    check = check_mutant(mutant, timeout=280)
    assert check.verdict is Verdict.PROVED
    assert equivalent(mutant, seconds=60).fault is Fault.EQUIVALENT


@pytest.mark.parametrize("mutant", [m for m in REFUTED if m.name in QUICK], ids=lambda mutant: mutant.name)
def test_a_mutant_has_the_fault_that_it_is_said_to_have(mutant):
    """Those that take long are run by soak_sync_map.py."""
    assert classify(mutant, mutant.statement, seconds=60).fault is mutant.fault


def test_there_is_a_mutant_of_every_operation():
    words = " ".join(mutant.name for mutant in MUTANTS)
    for operation in ("load ", "store", "swap", "load-or-store", "delete", "compare-and-swap"):
        assert operation in words
    for operation in ("compare-and-delete", "range", "clear", "promotion", "the copy", "unexpunge"):
        assert operation in words
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 50
    assert MUTANTS[:3] == (LOAD_DOES_NOT_RECHECK, PROMOTION_KEEPS_DIRTY, UNEXPUNGE_WITHOUT_INSERT)


def test_a_counterexample_names_what_the_code_names():
    c = check_mutant(UNEXPUNGE_WITHOUT_INSERT, timeout=280).counterexample
    lines = str(c).splitlines()
    assert lines[0].startswith("step    unexpunge_locked(t=t0)    e.unexpungeLocked() succeeds")
    assert lines[1] == "breaks  live keys of read are in dirty"
    changed = [line.split() for line in lines if line.startswith("  *")]
    assert ["*", "e0.p", "expunged", "nil"] in changed
    assert all(len(names) <= 4 for names in c.domains.values())


def test_a_mutant_out_of_time_is_not_caught():
    check = check_mutant(PROMOTION_KEEPS_DIRTY, timeout=0.0)
    assert check.verdict is Verdict.UNDECIDED
    assert not check.caught


def test_every_statement_is_broken_by_a_mutant_or_needed_by_another_one():
    assert {mutant.statement for mutant in MUTANTS} >= set(SYNC_MAP.invariants) - set(NEEDED_BY)


@pytest.mark.parametrize(("left_out", "needed_for"), NEEDED_BY.items())
def test_the_statements_rest_on_each_other(left_out, needed_for):
    """Without one of them another is no longer inductive, so a proof of one alone would be worth nothing."""
    rest = [i for i in SYNC_MAP.invariants.values() if i.name != left_out]
    step, breaks = needed_for
    weaker = SYNC_MAP.with_invariants("weaker", rest)
    proof = prove(weaker, timeout=280, actions=[step], statement=breaks)
    assert proof.verdict is Verdict.REFUTED


def test_the_rules_of_the_code_follow():
    """I1 to I6, in the words of impl/sync_map.py."""
    assert {made.words[:2] for made in (*LEMMAS, *STEP_PROPERTIES) if made.words.startswith("I")} == {
        f"I{number}" for number in range(1, 7)
    }


# ------------------------------------------------------------------------------------------------ runs


@pytest.mark.parametrize(
    ("bound", "states"),
    [(part(3), 1_131), (part(4, keys=2), 17_815), (part(2, values=2), 404), (part(2, threads=2), 3_410)],
    ids=str,
)
def test_all_states_over_a_few_elements_are_good(bound, states):
    assert_all_good(SYNC_MAP, bound, states)


def test_a_load_that_does_not_look_again_misses_a_key_that_was_promoted():
    steps, broken = shortest_run(LOAD_DOES_NOT_RECHECK)
    assert broken == ("a load answers with what the key held at some moment of the call",)
    assert steps.count("promote_read") == 1
    assert len(steps) == 26


def test_random_runs_find_nothing_wrong():
    machine = Machine(
        SYNC_MAP,
        {
            "Thread": ("t0", "t1", "t2"),
            "Key": ("k0", "k1"),
            "Value": ("x0", "x1"),
            "Pointer": ("nil", "expunged", "v0", "v1"),
            "Entry": tuple(f"e{i}" for i in range(8)),
            "EntryMap": ("nil", *(f"map{i}" for i in range(8))),
        },
    )
    found = walk(machine, walks=4, length=150, seed=1)
    assert not found.broken
    assert found.states > 500


def test_length_counts_the_keys_of_dirty():
    """That `length` is the number of keys is not provable in first-order logic: compared on every state."""
    seen = set()

    def compare(read):
        dirty = read("SyncMap.dirty")
        keys = sum(read("EntryMap.has", dirty, k) for k in ("k0", "k1"))
        assert read("EntryMap.length", dirty) == keys
        seen.add(keys)

    each_state(part(4, keys=2), compare)
    assert seen == {0, 1, 2}


def test_a_write_to_an_entry_that_a_clear_has_cut_off_does_happen():
    late = Counter()

    def look(read):
        for t in ("t0", "t1"):
            entry = read("Thread.entry", t)
            if read("Thread.pc", t) == "COMPARE_AND_DELETE_CAS" and read("Entry.cleared", entry):
                late["due"] += read("Entry.p", entry) == read("Thread.loaded", t)

    each_state(part(3, threads=2), look)
    assert late["due"] > 10


def test_a_removal_passes_to_a_compare_and_delete_that_came_first_to_the_entry():
    """t1 found e0 in dirty before t0 took it out of there, and empties it before t0 comes to collect."""
    run = Run(part(4, threads=2, keys=2))
    run.does(
        "t0", "invoke SWAP k0 v0 x0", "read", "lookup_miss", "lock", "store_new_key", "dirty_locked map1"
    )
    run.does("t0", "dirty_copy_done", "amend", "insert_new e0", "unlock", "answer")
    run.does("t0", "invoke SWAP k1 v0 x0", "read", "lookup_miss", "lock", "store_new_key", "insert_new e1")
    run.does("t0", "unlock", "answer")
    run.does("t1", "invoke COMPARE_AND_DELETE k0 nil x0", "read", "lookup_miss", "lock", "get_from_dirty")
    run.does("t1", "miss_locked_stay", "unlock", "compare_and_delete_load")
    run.does("t0", "invoke LOAD_AND_DELETE k0 nil x0", "read", "lookup_miss", "lock", "delete_from_dirty")
    assert run.read("Thread.done", "t0")
    run.does("t1", "compare_and_delete_cas")
    assert run.read("Thread.done", "t1")
    assert not run.read("Thread.done", "t0")
    run.does("t0", "miss_locked_promote", "promote_read", "promote_dirty", "promote_misses", "unlock")
    run.does("t0", "delete_load")
    assert run.read("Thread.result", "t0") == "nil"
    run.does("t0", "answer")
    run.does("t1", "answer")
