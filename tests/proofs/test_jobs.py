"""The list of statements: stable names, honest verdicts, one line when the extra is missing."""

import subprocess
import sys

import pytest

from mapproof.proofs import ExtraMissing, Job, jobs, run, statements
from mapproof.spec.evidence import Evidence, Kind, Verdict, exit_code

NO_HURRY = 280.0
"""Seconds: the provers need ten, and a machine that does much else at once is no reason for another answer."""


@pytest.fixture(scope="module")
def evidence():
    return {job.name: run(job, timeout=NO_HURRY) for job in statements()}


def test_everything_is_shown(evidence):
    wrong = {name: e.verdict for name, e in evidence.items() if e.counterexample}
    assert not wrong
    assert exit_code(e.verdict for e in evidence.values()) == 0
    assert {e.kind for e in evidence.values()} == {Kind.PROOF}


def test_each_statement_says_for_how_much_it_holds(evidence):
    def said(name):
        e = evidence[name]
        return e.verdict, e.scope

    model = "all keys, values and threads; a model of Load, Store, LoadAndDelete, sequentially consistent"
    for title in (
        "a promotion loses no key",
        "live keys of read are in dirty",
        "an entry is expunged exactly when dirty lacks it",
        "a published read map is never written",
        "a load answers with a value that the key had at some moment of the call",
        "a store takes effect exactly once",
        "a delete that hits takes effect, and answers with the value that it removed",
    ):
        assert said(f"sync.Map: {title}") == (Verdict.PROVED, model)
    verdict, scope = said("sync.Map: the invariant catches every mutant")
    assert verdict is Verdict.EXHAUSTED
    assert scope.startswith(
        "caught 11 of 11: load does not look at read again under the lock; promotion keeps dirty"
    )
    verdict, scope = said("sync.Map: every step of the model can happen")
    assert verdict is Verdict.EXHAUSTED
    assert scope == "47 of 48 steps; shown to be dead: dirty_locked_skip"
    verdict, scope = said("routing: doubling sends the keys of shard s to s or s + n")
    assert (verdict, scope) == (Verdict.PROVED, "all 64-bit hashes, all n = 2^k with k <= 62")
    verdict, scope = said("routing: by the low bits, the children of shard s are not 2s and 2s + 1")
    assert verdict is Verdict.EXHAUSTED
    assert "hash 0x1: shard 1 of 2, then shard 1 of 4" in scope


def test_names_are_unique_and_every_statement_has_words():
    listed = statements(second_prover=True)
    assert len(listed) == len(statements()) + 1
    assert len({job.name for job in listed}) == len(listed)
    assert all(job.words.endswith(".") for job in listed)


def test_without_time_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr(jobs, "_proofs", {})
    for job in statements(second_prover=True):
        if "z3" in job.needs:
            assert run(job, timeout=0.0).verdict is Verdict.UNDECIDED, job.name


def test_a_shared_proof_is_asked_once(monkeypatch):
    from mapproof.proofs import obligations

    asked = []
    decided = obligations.Proof((obligations.Result(obligations.Obligation("", ""), Verdict.PROVED),))
    monkeypatch.setattr(jobs, "_proofs", {})
    monkeypatch.setattr(
        obligations, "prove", lambda system, timeout: asked.append(timeout) or answers[len(asked) - 1]
    )
    answers = [obligations.Proof(()), obligations.Proof(()), decided]
    for timeout in (5.0, 5.0, 4.0, 7.0, 7.0, 9.0, 1.0, 50.0):
        run(statements()[0], timeout)
    assert asked == [5.0, 7.0, 9.0]


def test_nothing_is_imported_before_a_job_runs():
    program = (
        "import sys; from mapproof.proofs import statements; statements(); "
        "print([name for name in ('z3', 'crosshair', 'cvc5') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_missing_extra_is_one_line():
    job = Job("anything", "", ("no_such_package",), lambda timeout: pytest.fail("must not run"))
    with pytest.raises(
        ExtraMissing, match=r"^no_such_package is not installed: pip install 'mapproof\[proofs\]'$"
    ):
        run(job)


def test_a_surviving_mutant_fails(monkeypatch):
    from mapproof.proofs.chapters import Fault, Mutant
    from mapproof.proofs.systems.sync_map import SYNC_MAP
    from mapproof.proofs.systems.sync_map import mutants as sync_map_mutants
    from mapproof.proofs.systems.sync_map.invariant import contents

    harmless = Mutant(
        "nothing is wrong",
        SYNC_MAP,
        (SYNC_MAP.actions["unlock"],),
        contents,
        Fault.WRONG_ANSWER,
        sync_map_mutants.BOUND,
    )
    monkeypatch.setattr(sync_map_mutants, "MUTANTS", (sync_map_mutants.PROMOTION_KEEPS_DIRTY, harmless))
    job = next(job for job in statements() if job.name.endswith("catches every mutant"))
    found = run(job, timeout=NO_HURRY)
    assert isinstance(found, Evidence)
    assert found.verdict is Verdict.FAILED
    assert found.scope == "caught 1 of 2: promotion keeps dirty"
    assert found.counterexample == "still proved: nothing is wrong"
