"""Verdicts on a small lock: proved, refuted with a replayed state, undecided, vacuous."""

import pytest

from mapproof.proofs.running.concrete import Machine
from mapproof.proofs.solving.counterexamples import Disagreement
from mapproof.proofs.solving.obligations import Proof, prove, vacuity
from mapproof.proofs.solving.queries import all_obligations
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.table.chapter_jobs import judge
from mapproof.proofs.terms import (
    Bool,
    Field,
    Globals,
    Int,
    ModelError,
    Sort,
    any_of,
    claim,
    everywhere,
    forall,
    implies,
    when,
)
from mapproof.proofs.transition_system import action, invariant, system
from mapproof.spec.evidence import Verdict


class Worker(Sort):
    inside = Field(Bool)


class Lock(Globals, prefix="lock"):
    held = Field(Bool)
    entries = Field(Int)


lock = Lock()


@action
def initial() -> None:
    """Nobody is inside"""
    everywhere(Worker.inside, lambda u: False)
    lock.held = False
    lock.entries = 0


@action
def enter(u: Worker) -> None:
    """lock()"""
    when(~lock.held)
    claim("nobody is inside at the door", forall(Worker, lambda v: ~v.inside))
    u.inside = True
    lock.held = True
    lock.entries = lock.entries + 1


@action
def leave(u: Worker) -> None:
    """unlock()"""
    when(u.inside)
    u.inside = False
    lock.held = False


@invariant("at most one is inside")
def exclusion() -> Bool:
    """Two who are inside are the same."""
    return forall(Worker, Worker, lambda u, v: implies(u.inside & v.inside, u == v))


@invariant("whoever is inside holds the lock")
def held_by_someone() -> Bool:
    """The lock is held when somebody is inside."""
    return forall(Worker, lambda u: implies(u.inside, lock.held))


LOCK = system(
    "lock",
    scope="all workers",
    state=(Worker, Lock),
    initial=initial,
    actions=(enter, leave),
    invariants=(exclusion, held_by_someone),
)


@pytest.mark.parametrize("batched", [True, False])
def test_a_right_system_is_proved(batched):
    proof = prove(LOCK, timeout=20, batched=batched)
    assert proof.verdict is Verdict.PROVED
    assert [(r.obligation.action, r.obligation.statement) for r in proof.results] == [
        ("initial", "exclusion"),
        ("initial", "held_by_someone"),
        ("enter", "nobody is inside at the door"),
        ("enter", "exclusion"),
        ("enter", "held_by_someone"),
        ("leave", "exclusion"),
        ("leave", "held_by_someone"),
    ]


@pytest.mark.parametrize("batched", [True, False])
def test_a_statement_that_is_not_inductive_is_refuted(batched):
    alone = LOCK.with_invariants("exclusion alone", [exclusion])
    proof = prove(alone, timeout=20, batched=batched)
    assert proof.verdict is Verdict.REFUTED
    assert proof.of("exclusion").verdict is Verdict.REFUTED
    found = {c.statement: c for c in proof.counterexamples()}
    assert set(found) == {"at most one is inside", "nobody is inside at the door"}
    c = found["at most one is inside"]
    machine = Machine(alone, c.domains)
    before = machine.encode(c.before)
    step = machine.step(before, c.action, *(value for _, value in c.arguments))
    assert machine.holds(before, "exclusion")
    assert machine.decode(step.after) == c.after
    assert not machine.holds(step.after, "exclusion")
    assert dict(c.witness).keys() == {"u", "v"}
    assert len(c.domains["Worker"]) == 2


def test_a_counterexample_reads_as_a_table():
    c = prove(LOCK.with_invariants("alone", [exclusion]), timeout=20).of("exclusion").counterexamples()[0]
    assert str(c).splitlines()[:3] == [
        f"step    enter(u={c.arguments[0][1]})    lock()",
        "breaks  at most one is inside",
        "        Two who are inside are the same.",
    ]
    assert "  *  lock.held" in str(c)
    assert "  *  w0.inside" in str(c) or "  *  w1.inside" in str(c)


def test_a_wrong_start_is_refuted():
    @action
    def initial() -> None:
        """Everybody is inside"""
        everywhere(Worker.inside, lambda u: True)

    wrong = system(
        "full house",
        scope="",
        state=(Worker, Lock),
        initial=initial,
        actions=(),
        invariants=(exclusion,),
    )
    proof = prove(wrong, timeout=20)
    assert proof.verdict is Verdict.REFUTED
    assert proof.counterexamples()[0].action == "initial"


@pytest.mark.parametrize("timeout", [0.0, 0.002])
def test_a_budget_that_ran_out_is_no_pass(timeout):
    proof = prove(SYNC_MAP, timeout=timeout)
    assert proof.verdict is Verdict.UNDECIDED
    assert {r.obligation for r in proof.results} == set(all_obligations(SYNC_MAP))
    assert judge(proof, [next(iter(SYNC_MAP.invariants))], "all").verdict is Verdict.UNDECIDED


def test_nothing_asked_is_no_pass():
    assert Proof(()).verdict is Verdict.UNDECIDED
    assert judge(prove(LOCK, timeout=20), ["no such statement"], "all").verdict is Verdict.UNDECIDED


def test_a_statement_is_not_proved_while_another_fails():
    @invariant("few enter")
    def few_enter() -> Bool:
        """At most three entries."""
        return lock.entries <= 3

    whole = prove(LOCK.with_invariants("few", [*LOCK.invariants.values(), few_enter]), timeout=20)
    assert whole.of("exclusion").verdict is Verdict.PROVED
    answer = judge(whole, ["exclusion"], "all workers")
    assert answer.verdict is Verdict.UNDECIDED
    assert "rests on" in answer.scope
    assert judge(whole, ["few_enter"], "all workers").verdict is Verdict.REFUTED


def test_every_action_can_happen():
    found = vacuity(LOCK, timeout=20)
    assert found.verdict is Verdict.EXHAUSTED
    assert found.possible == ("enter", "leave")


def test_a_contradictory_invariant_is_vacuous():
    @invariant("contradiction")
    def contradiction() -> Bool:
        """The lock is held and is not held."""
        return lock.held & ~lock.held

    hollow = LOCK.with_invariants("hollow", [contradiction])
    assert prove(hollow, timeout=20, actions=["enter", "leave"]).verdict is Verdict.PROVED
    found = vacuity(hollow, timeout=20)
    assert found.verdict is Verdict.FAILED
    assert found.impossible == ("enter", "leave")


def test_a_dead_action_must_be_dead():
    @action(name="enter", dead="the door is locked")
    def never(u: Worker) -> None:
        when(any_of())

    @action(name="leave", dead="nobody leaves")
    def not_never(u: Worker) -> None:
        when(u.inside)

    found = vacuity(LOCK.with_actions("claims", [never, not_never]), timeout=20)
    assert found.dead == ("enter",)
    assert found.alive_after_all == ("leave",)
    assert found.verdict is Verdict.FAILED


def test_vacuity_out_of_time_is_no_pass():
    assert vacuity(LOCK, timeout=0.0).verdict is Verdict.UNDECIDED


def test_a_disagreement_is_raised(monkeypatch):
    """If plain Python does not confirm a counterexample, that is an error of the kit and no result."""
    monkeypatch.setattr(Machine, "holds", lambda self, state, invariant: True)
    with pytest.raises(Disagreement, match="keeps exclusion on plain values"):
        prove(LOCK.with_invariants("alone", [exclusion]), timeout=20)


def test_only_known_actions_are_replaced():
    @action
    def jump(u: Worker) -> None:
        when(u.inside)

    with pytest.raises(ModelError, match="lock has no action jump to replace"):
        LOCK.with_actions("jumping", [jump])


def test_a_machine_needs_the_named_elements():
    with pytest.raises(ModelError, match="Pointer needs the elements nil, expunged"):
        Machine(SYNC_MAP, {sort.__name__: ("x",) for sort in SYNC_MAP.sorts})
