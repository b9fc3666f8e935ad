"""The list of everything that this room shows, each a named job that answers with one piece of evidence.

The idea: a statement of an inductive invariant is worth nothing alone, for each rests on the others; so the
whole system is asked once, and a statement is PROVED only when all of it was. What holds by itself while
another statement fails is UNDECIDED. Z3 and CrossHair are imported when a job runs, not before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mapproof.spec.evidence import COUNTEREXAMPLES, Evidence, Kind, Verdict

if TYPE_CHECKING:
    from mapproof.proofs.contracts import Contract
    from mapproof.proofs.hashing import Lemma
    from mapproof.proofs.obligations import Proof

CONTRACT_SECONDS = 10.0
"""The most that CrossHair searches for one condition, whatever the job may take."""


class ExtraMissing(Exception):
    """The packages of the `proofs` extra are not installed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a job found: a verdict, for how much it holds, and the text that shows what is wrong, if anything."""

    verdict: Verdict
    scope: str
    counterexample: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A statement that can be checked: its name is the same in every release that makes the statement.

    `words` is the statement as a sentence; `needs` are the packages that the check imports; `check` takes the
    seconds that it may use.
    """

    name: str
    words: str
    needs: tuple[str, ...]
    check: Callable[[float], Answer]


def run(job: Job, timeout: float = 60.0) -> Evidence:
    """Check one statement, in about `timeout` seconds at most. Raises `ExtraMissing`.

    The time of a shared proof is counted with the first statement that needs it.
    """
    for package in job.needs:
        if find_spec(package) is None:
            raise ExtraMissing(f"{package} is not installed: pip install 'mapproof[proofs]'")
    started = time.perf_counter()
    answer = job.check(timeout)
    seconds = time.perf_counter() - started
    wrong = answer.counterexample if answer.verdict in COUNTEREXAMPLES else None
    return Evidence(job.name, Kind.PROOF, answer.verdict, answer.scope, seconds, wrong)


def statements(*, second_prover: bool = False) -> tuple[Job, ...]:
    """Everything that is shown: sync.Map, its mutants, hashes and shards, and the contracts.

    With `second_prover`, also that cvc5 agrees with Z3; it takes about five times as long as the rest.
    """
    again = (_sync_map_second_job(),) if second_prover else ()
    return (*_sync_map_jobs(), *again, *_hashing_jobs(), *_contract_jobs())


# ------------------------------------------------------------------------------------------------ sync.Map


def _sync_map_jobs() -> tuple[Job, ...]:
    from mapproof.proofs.systems.sync_map import SYNC_MAP

    stated = [(i.name, i.title, i.words) for i in SYNC_MAP.invariants.values()]
    stated += [(title, title, f"Claimed by the step that it is about: {title}.") for title in SYNC_MAP.claims]
    jobs = [
        Job(f"sync.Map: {title}", words, ("z3",), partial(_sync_map_statement, name))
        for name, title, words in stated
    ]
    return (
        *jobs,
        Job(
            "sync.Map: every step of the model can happen",
            "Each step's guards can hold together with the invariant, or the step is shown to be dead.",
            ("z3",),
            _sync_map_vacuity,
        ),
        Job(
            "sync.Map: the invariant catches every mutant",
            "With one line of the algorithm wrong, some statement of the invariant breaks.",
            ("z3",),
            _sync_map_mutants,
        ),
    )


def _sync_map_second_job() -> Job:
    return Job(
        "sync.Map: a second prover agrees",
        "cvc5 finds every obligation of the invariant to hold, as Z3 does.",
        ("z3", "cvc5"),
        _sync_map_recheck,
    )


def _sync_map_proof(timeout: float) -> Proof:
    """The proof that all statements share: asked again only when there is more time than it had in vain."""
    from mapproof.proofs.obligations import prove
    from mapproof.proofs.systems.sync_map import SYNC_MAP

    had, proof = _proofs.get(SYNC_MAP.name, (-1.0, None))
    if proof is None or (proof.verdict is Verdict.UNDECIDED and timeout > had):
        proof = prove(SYNC_MAP, timeout=timeout)
        _proofs[SYNC_MAP.name] = timeout, proof
    return proof


_proofs: dict[str, tuple[float, Proof]] = {}


def _sync_map_statement(name: str, timeout: float) -> Answer:
    from mapproof.proofs.systems.sync_map import SYNC_MAP

    return judge(_sync_map_proof(timeout), name, SYNC_MAP.scope)


def judge(whole: Proof, statement: str, scope: str) -> Answer:
    """What the proof of a whole system says of one of its statements."""
    own = whole.of(statement)
    if own.verdict is Verdict.REFUTED:
        return Answer(Verdict.REFUTED, scope, "\n\n".join(map(str, own.counterexamples())))
    if whole.verdict is Verdict.PROVED and own.verdict is Verdict.PROVED:
        return Answer(Verdict.PROVED, scope)
    reason = (
        "out of time" if own.verdict is Verdict.UNDECIDED else "a statement that it rests on is not proved"
    )
    return Answer(Verdict.UNDECIDED, f"{scope}; {reason}")


def _sync_map_vacuity(timeout: float) -> Answer:
    from mapproof.proofs.obligations import vacuity
    from mapproof.proofs.systems.sync_map import SYNC_MAP

    found = vacuity(SYNC_MAP, timeout=timeout)
    scope = f"{len(found.possible)} of {len(SYNC_MAP.actions)} steps"
    if found.dead:
        scope += f"; shown to be dead: {', '.join(found.dead)}"
    if found.undecided:
        scope += f"; out of time: {', '.join(found.undecided)}"
    wrong = [f"{name}: its guards contradict the invariant" for name in found.impossible]
    wrong += [f"{name}: declared dead, and can happen" for name in found.alive_after_all]
    return Answer(found.verdict, scope, "\n".join(wrong))


def _sync_map_recheck(timeout: float) -> Answer:
    from mapproof.proofs.second_prover import recheck
    from mapproof.proofs.systems.sync_map import SYNC_MAP

    found = recheck(SYNC_MAP, timeout=timeout)
    scope = f"{SYNC_MAP.scope}; cvc5 on {len(found.confirmed)} of {len(SYNC_MAP.actions) + 1} steps"
    wrong = "\n".join(f"{name}: cvc5 finds a state where Z3 finds none" for name in found.contradicted)
    return Answer(found.verdict, scope, wrong)


def _sync_map_mutants(timeout: float) -> Answer:
    from mapproof.proofs.mutants import check_mutant
    from mapproof.proofs.systems.sync_map.mutants import MUTANTS

    end = time.monotonic() + timeout
    checks = [check_mutant(mutant, timeout=max(0.0, end - time.monotonic())) for mutant in MUTANTS]
    caught = [check.mutant.name for check in checks if check.caught]
    survived = [check.mutant.name for check in checks if check.verdict is Verdict.PROVED]
    scope = f"caught {len(caught)} of {len(checks)}: {'; '.join(caught)}"
    if survived:
        return Answer(Verdict.FAILED, scope, "\n".join(f"still proved: {name}" for name in survived))
    return Answer(Verdict.EXHAUSTED if len(caught) == len(checks) else Verdict.UNDECIDED, scope)


# ------------------------------------------------------------------------------------------------ hashing


def _hashing_jobs() -> tuple[Job, ...]:
    from mapproof.proofs.hashing import LEMMAS, TOPICS

    return tuple(
        Job(
            f"{TOPICS[lemma.name]}: {lemma.title}",
            f"{lemma.title[0].upper()}{lemma.title[1:]}.",
            ("z3",),
            partial(_lemma, lemma),
        )
        for lemma in LEMMAS.values()
    )


def _lemma(lemma: Lemma, timeout: float) -> Answer:
    from mapproof.proofs import hashing

    found = hashing.check(lemma, timeout=timeout)
    return Answer(found.verdict, found.scope, found.text or None)


# ------------------------------------------------------------------------------------------------ contracts


def _contract_jobs() -> tuple[Job, ...]:
    from mapproof.proofs.contracts import CONTRACTS

    return tuple(Job(c.name, c.words, ("crosshair",), partial(_contract, c)) for c in CONTRACTS)


def _contract(contract: Contract, timeout: float) -> Answer:
    from mapproof.proofs.contracts import confirm

    finding = confirm(contract, timeout=min(timeout, CONTRACT_SECONDS))
    return Answer(finding.verdict, f"{contract.scope}; {finding.detail}", finding.detail)
