"""The list of everything that this room shows, each a named job that answers with one piece of evidence.

The idea: all systems, lemmas and contracts are listed as values (`systems.chapters`, `hashing.LEMMAS`,
`contracts.CONTRACTS`), and this goes over the lists: nothing is shown by having been forgotten. Z3, cvc5 and
CrossHair are imported when a job runs, not before.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mapproof.proofs.table.chapter_jobs import jobs_of
from mapproof.proofs.table.checks import Answer, ExtraMissing, Job, Options, Part, Progress, Shown, run, show
from mapproof.spec.evidence import Verdict

if TYPE_CHECKING:
    from mapproof.proofs.contracts import Contract
    from mapproof.proofs.hashing import Lemma

__all__ = ["ExtraMissing", "Job", "Options", "Shown", "run", "show", "statements"]

CONTRACT_SECONDS = 30.0
"""The most that CrossHair searches for one condition, whatever the job may take."""


def statements(options: Options | None = None, *, second_prover: bool = False) -> tuple[Job, ...]:
    """Everything that is shown: each system with its mutants, hashes and shards, and the contracts.

    With a `target` in the options only the systems of that file. Raises `own_systems.SystemFileError`.
    """
    asked = options or Options(second_prover=second_prover)
    if asked.target is not None:
        from mapproof.proofs.table.own_systems import load

        return tuple(job for chapter in load(asked.target) for job in jobs_of(chapter, asked))
    from mapproof.proofs.systems import chapters

    systems = tuple(job for chapter in chapters() for job in jobs_of(chapter, asked))
    return (*systems, *_lemma_jobs(asked), _inference_job(), *_contract_jobs())


def _lemma_jobs(options: Options) -> tuple[Job, ...]:
    from mapproof.proofs.hashing import LEMMAS, TOPICS

    needs = ("z3", "cvc5") if options.second_prover else ("z3",)
    return tuple(
        Job(
            f"{TOPICS[lemma.name]}: {lemma.title}",
            f"{lemma.title[0].upper()}{lemma.title[1:]}.",
            needs,
            partial(_lemma, lemma, options),
            Part.LEMMA,
            f"lemmas: {TOPICS[lemma.name]}",
        )
        for lemma in LEMMAS.values()
    )


def _lemma(lemma: Lemma, options: Options, timeout: float, progress: Progress) -> Answer:
    from mapproof.proofs import hashing

    found = hashing.check(lemma, timeout=timeout)
    answer = Answer(found.verdict, found.scope, found.text or None, obligations=1, by=("Z3",))
    if not options.second_prover or found.verdict not in (Verdict.PROVED, Verdict.EXHAUSTED):
        return answer
    return _again(lemma, answer, options, timeout)


def _again(lemma: Lemma, answer: Answer, options: Options, timeout: float) -> Answer:
    """What cvc5 says of a lemma that Z3 has decided as it was meant."""
    from mapproof.proofs.hashing import smt_lib
    from mapproof.proofs.solving.second_prover import Reply, Script, ask

    expected = Reply.UNSAT if lemma.holds else Reply.SAT
    about = (f"lemma: {lemma.name}", f"scope: {lemma.scope}")
    script = Script(f"lemma-{lemma.name}", about, (lemma.name,), smt_lib(lemma), expected)
    if options.directory is not None:
        script.write(options.directory)
    (reply,) = ask(script, timeout=timeout, each=timeout)
    if reply is expected:
        return replace(answer, by=("Z3", "cvc5"))
    if reply is Reply.UNKNOWN:
        return replace(answer, verdict=Verdict.UNDECIDED, scope=f"{answer.scope}; cvc5 gave up")
    return replace(
        answer, verdict=Verdict.FAILED, counterexample=f"cvc5 says {reply}, where Z3 says {expected}"
    )


def _inference_job() -> Job:
    return Job(
        "promotion of one key: a solver finds an invariant by itself",
        "From the steps alone Spacer finds an invariant that implies the answers, and it is proved like ours.",
        ("z3", "cvc5"),
        _inference,
        Part.LEMMA,
        "lemmas: inference",
        1.5,
    )


def _inference(timeout: float, progress: Progress) -> Answer:
    from mapproof.proofs.solving.inference import check

    progress("Spacer")
    found = check(timeout=timeout)
    if found.verdict is not Verdict.PROVED:
        return Answer(found.verdict, found.scope, found.text)
    clauses = tuple(found.text.splitlines())
    return Answer(found.verdict, found.scope, None, "", clauses, obligations=1, by=("Z3", "cvc5"))


def _contract_jobs() -> tuple[Job, ...]:
    from mapproof.proofs.contracts import CONTRACTS

    return tuple(
        Job(
            contract.name,
            contract.words,
            ("crosshair",),
            partial(_contract, contract),
            Part.CONTRACT,
            f"contract: {contract.name}",
            2.0,
        )
        for contract in CONTRACTS
    )


def _contract(contract: Contract, timeout: float, progress: Progress) -> Answer:
    from mapproof.proofs.contracts import confirm

    progress("CrossHair")
    found = confirm(contract, timeout=min(timeout, CONTRACT_SECONDS))
    return Answer(
        found.verdict,
        f"{found.scope}; {found.text}",
        found.text,
        obligations=contract.conditions,
        by=("CrossHair",),
    )
