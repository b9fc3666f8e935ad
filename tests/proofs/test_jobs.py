"""The list of statements: stable names, honest verdicts, one line when the extra is missing."""

import subprocess
import sys
from dataclasses import replace

import pytest
from gate import ANYWAY, CHAPTER, GATE, NOT_ALIKE, NOT_AS_SAID, SURVIVES

from mapproof.proofs import ExtraMissing, Job, run, statements
from mapproof.proofs.table import chapter_jobs
from mapproof.proofs.table.chapter_jobs import jobs_of
from mapproof.proofs.table.checks import Options, Part, show
from mapproof.proofs.table.processes import run_all
from mapproof.proofs.table.summary import by_subject, headline, summaries
from mapproof.spec.evidence import Kind, Verdict

NO_HURRY = 280.0
"""Seconds: the provers need few, and a machine that does much else at once is no reason for another answer."""


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(chapter_jobs, "_proofs", {})


def shown(chapter=CHAPTER, options=Options(), timeout=NO_HURRY):  # noqa: B008
    return {job.name: show(job, timeout) for job in jobs_of(chapter, options)}


def test_everything_that_is_stated_is_a_job():
    found = shown()
    assert {name: (s.evidence.verdict, s.brief) for name, s in found.items()} == {
        "gate: at most one is inside": (Verdict.PROVED, "4 obligations"),
        "gate: the gate is shut behind whoever is inside": (Verdict.PROVED, "4 obligations"),
        "gate: an open gate has nobody behind it": (Verdict.PROVED, "1 obligation"),
        "gate: entries are never taken back": (Verdict.PROVED, "3 obligations"),
        "gate: nobody is inside at the door": (Verdict.PROVED, "1 obligation"),
        "gate: every step of the model can happen": (
            Verdict.EXHAUSTED,
            "2 of 3 steps; shown to be dead: climb",
        ),
        "gate: the invariant catches every mutant": (
            Verdict.EXHAUSTED,
            "caught 2 of 2, 2 as good as the original",
        ),
        "gate: runs of the model": (
            Verdict.EXHAUSTED,
            "2 Guest, enter at most 2 times: all 5 states, up to the names of the elements",
        ),
    }
    assert {s.evidence.kind for s in found.values()} == {Kind.PROOF}
    assert {s.evidence.scope for s in found.values() if s.part is Part.STATEMENT} == {"all guests"}
    assert found["gate: the invariant catches every mutant"].details == (
        "enter anyway: enter breaks at most one is inside (a reachable bug: a user gets a wrong answer)",
        (
            "leave unseen: leave breaks entries are never taken back "
            "(a reachable bug: a state that breaks the design; no wrong answer within the bound)"
        ),
        "leave carefully: proved, as the original is",
        (
            "enter below zero: enter breaks at most one is inside, "
            "and nothing is wrong in all 5 states of 2 Guest, enter at most 2 times"
        ),
    )


def test_names_are_unique_and_every_statement_has_words():
    listed = statements(second_prover=True)
    assert len({job.name for job in listed}) == len(listed)
    assert [job.name for job in listed if not job.words] == []
    more = {job.name for job in listed} - {job.name for job in statements()}
    assert more and {name.partition(": ")[2] for name in more} == {"a second prover agrees"}


def test_without_time_nothing_is_claimed():
    """Neither of a system, nor of a lemma; not by Z3, and not by cvc5."""
    pytest.importorskip("cvc5")
    listed = [*jobs_of(CHAPTER, Options(second_prover=True))]
    listed += [job for job in statements() if job.part is Part.LEMMA][:2]
    verdicts = {job.name: show(job, timeout=0.0).evidence.verdict for job in listed}
    assert set(verdicts.values()) == {Verdict.UNDECIDED}


def test_a_shared_proof_is_asked_once(monkeypatch):
    from mapproof.proofs.solving import obligations

    decided = obligations.Proof((obligations.Result(obligations.Obligation("", ""), Verdict.PROVED),))
    answers, asked = [obligations.Proof(()), obligations.Proof(()), decided], []
    monkeypatch.setattr(
        obligations, "prove", lambda system, timeout, **rest: asked.append(timeout) or answers[len(asked) - 1]
    )
    for timeout in (5.0, 5.0, 4.0, 7.0, 7.0, 9.0, 1.0, 50.0):
        run(jobs_of(CHAPTER, Options())[0], timeout)
    assert asked == [5.0, 7.0, 9.0]


def test_a_refuted_statement_is_shown_and_classed():
    wrong = replace(CHAPTER, system=ANYWAY.system, mutants=())
    found = shown(wrong)
    text = found["gate, enter anyway: at most one is inside"].evidence.counterexample
    assert "breaks  at most one is inside" in text
    assert "a reachable bug: a user gets a wrong answer" in text
    assert found["gate, enter anyway: at most one is inside"].brief == "4 obligations, 1 refuted"
    other = found["gate, enter anyway: an open gate has nobody behind it"].evidence
    assert other.verdict is Verdict.UNDECIDED
    assert other.scope == "all guests; a statement that it rests on is not proved"
    ran = found["gate, enter anyway: runs of the model"].evidence
    assert ran.verdict is Verdict.FAILED
    assert ran.counterexample.endswith("breaks  nobody is inside at the door\nbreaks  at most one is inside")


@pytest.mark.parametrize(
    ("mutant", "says"),
    [
        (SURVIVES, "still proved: leave as ever"),
        (NOT_AS_SAID, "leave unseen, misread: leave breaks entries are never taken back, and was said to break exclusion"),
        (NOT_ALIKE, ("enter anyway, as good: enter breaks nobody is inside at the door, and was said to be as good; "
         "a reachable bug: a user gets a wrong answer")),
    ],
    ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_a_mutant_that_is_not_what_it_is_said_to_be_fails(mutant, says):
    found = shown(replace(CHAPTER, mutants=(ANYWAY, mutant)))["gate: the invariant catches every mutant"]
    assert found.evidence.verdict is Verdict.FAILED
    assert found.evidence.counterexample == says


def test_a_run_that_is_cut_short_is_no_exhaustion(monkeypatch):
    monkeypatch.setattr(chapter_jobs, "MOST_STATES", 3)
    assert shown()["gate: runs of the model"].evidence.verdict is Verdict.SAMPLED


def test_the_second_prover_is_named_where_it_agrees():
    pytest.importorskip("cvc5")
    found = shown(options=Options(second_prover=True))
    second = found["gate: a second prover agrees"]
    assert second.evidence.verdict is Verdict.PROVED
    assert second.brief == "13 obligations; 13 of its proofs checked by its own checker"
    line = headline(list(found.values()))
    assert line.startswith("13 obligations PROVED by Z3 and cvc5 in ")
    assert line.endswith("2 of 3 steps can happen; mutants: caught 2 of 2, 2 as good as the original")


def test_a_second_prover_that_does_not_agree_fails(monkeypatch):
    pytest.importorskip("cvc5")
    from mapproof.proofs.solving import second_prover

    reply = second_prover.Reply.SAT
    monkeypatch.setattr(second_prover, "ask", lambda script, **rest: (reply,) * len(script.statements))
    found = shown(options=Options(second_prover=True))
    assert found["gate: a second prover agrees"].evidence.verdict is Verdict.FAILED
    assert "PROVED by Z3 in" in headline(list(found.values()))
    lemma = next(job for job in statements(second_prover=True) if job.part is Part.LEMMA)
    assert run(lemma).verdict is Verdict.FAILED
    reply = second_prover.Reply.UNKNOWN
    found = shown(options=Options(second_prover=True))
    assert found["gate: a second prover agrees"].evidence.verdict is Verdict.UNDECIDED
    assert run(lemma).verdict is Verdict.UNDECIDED


def test_a_summary_counts_what_stands_and_keeps_the_rest():
    good = summaries(shown().values())
    assert [(e.name, e.verdict, e.scope) for e in good] == [
        ("gate: 5 statements", Verdict.PROVED, "all guests; 13 obligations by Z3"),
        (
            "gate: every step of the model can happen",
            Verdict.EXHAUSTED,
            "2 of 3 steps; shown to be dead: climb",
        ),
        (
            "gate: the invariant catches every mutant",
            Verdict.EXHAUSTED,
            "caught 2 of 2, 2 as good as the original",
        ),
        (
            "gate: runs of the model",
            Verdict.EXHAUSTED,
            "2 Guest, enter at most 2 times: all 5 states, up to the names of the elements",
        ),
    ]
    wrong = summaries(shown(replace(CHAPTER, system=ANYWAY.system, mutants=())).values())
    bad = [e for e in wrong if e.verdict is Verdict.REFUTED]
    assert {e.name for e in bad} == {
        "gate, enter anyway: at most one is inside",
        "gate, enter anyway: nobody is inside at the door",
    }
    assert all(e.counterexample for e in bad)


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr("mapproof.proofs.table.processes.WORTH_A_PROCESS", 0.0)


@pytest.mark.usefixtures("processes")
def test_all_jobs_run_in_two_processes_and_say_what_they_say_in_one(tmp_path):
    options = Options(target=str(tmp_path / "gates.py"))
    (tmp_path / "gates.py").write_text(GATES)
    listed = statements(options)
    told = []
    found = {s.evidence.name: s for s in run_all(listed, options, timeout=60, progress=told.append)}
    here = {
        s.evidence.name: s for s in run_all(listed, options, timeout=60, progress=told.append, processes=1)
    }
    assert set(found) == {job.name for job in listed}
    assert {n: (s.evidence.verdict, s.evidence.scope, s.brief) for n, s in found.items()} == {
        n: (s.evidence.verdict, s.evidence.scope, s.brief) for n, s in here.items()
    }
    assert any(text.startswith("gate: ") for text in told)
    assert list(by_subject(here.values())) == ["gate"]


GATES = f"""
import sys
sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
from gate import GATE, BOUND
BOUNDS = (BOUND,)
"""


@pytest.mark.usefixtures("processes")
def test_a_process_that_dies_costs_its_own_jobs(tmp_path):
    (tmp_path / "gates.py").write_text(
        GATES + "import os\nif 'mapproof.proofs.table.worker' in ' '.join(sys.orig_argv):\n    os._exit(7)\n"
    )
    options = Options(target=str(tmp_path / "gates.py"))
    found = list(run_all(statements(options), options, timeout=60, progress=lambda text: None))
    assert len(found) == len(statements(options))
    assert {s.evidence.verdict for s in found} == {Verdict.INCONCLUSIVE}
    assert {s.evidence.scope for s in found} == {"its process ended: without a word"}


def test_nothing_is_imported_before_a_job_runs():
    program = (
        "import sys; from mapproof.proofs import statements; statements(second_prover=True); "
        "print([name for name in ('z3', 'crosshair', 'cvc5') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_missing_extra_is_one_line():
    job = Job(
        "anything",
        "",
        ("no_such_package",),
        lambda timeout, progress: pytest.fail("must not run"),
        Part.LEMMA,
    )
    with pytest.raises(
        ExtraMissing, match=r"^no_such_package is not installed: pip install 'mapproof\[proofs\]'$"
    ):
        run(job)


def test_titles_that_are_used_twice_are_one_statement():
    twice = GATE.with_invariants("twice", [replace(i, title="the same") for i in GATE.invariants.values()])
    found = shown(replace(CHAPTER, system=twice, mutants=()))
    assert found["twice: the same"].brief == "8 obligations"
