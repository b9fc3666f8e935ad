"""A claim that is said to be false is run until it fails; one that does not fail is an error, not a refutation."""

from dataclasses import replace

from mapproof.proofs.systems import chapters
from mapproof.proofs.systems.hash_writing_mutants import ATOMIC_TOGGLE, REFUTED, TWO
from mapproof.proofs.table.chapter_jobs import jobs_of
from mapproof.proofs.table.checks import Options, Part
from mapproof.proofs.table.refuted_claims import refuted
from mapproof.spec.evidence import Verdict


def test_each_is_refuted_by_a_run_that_is_told():
    said = []
    answer = refuted(REFUTED, 60.0, said.append)
    assert answer.verdict is Verdict.EXHAUSTED
    assert answer.by == ("Python",)
    assert "by a run of 10 steps" in answer.brief
    assert "by a run of 12 steps" in answer.brief
    assert "  12  clear" in answer.details[1]
    assert said == [claim.name for claim in REFUTED]


def test_a_claim_that_no_run_breaks_is_an_error():
    answer = refuted((replace(ATOMIC_TOGGLE, bound=TWO),), 60.0, lambda text: None)
    assert answer.verdict is Verdict.FAILED
    assert answer.counterexample == f"not refuted: {ATOMIC_TOGGLE.name}"


def test_without_time_nothing_is_said():
    assert refuted(REFUTED, 0.0, lambda text: None).verdict is Verdict.UNDECIDED


def test_a_chapter_with_such_claims_has_a_job_for_them():
    for chapter in chapters():
        jobs = [job for job in jobs_of(chapter, Options()) if job.part is Part.REFUTED]
        assert len(jobs) == bool(chapter.refuted)
