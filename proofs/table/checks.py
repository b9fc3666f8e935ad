"""What this room can be asked for, and what it answers: jobs, and what each of them showed.

The idea: a job is a name, a sentence, and a function; no prover is imported before it runs. What it showed is a
piece of evidence and, for the table, the figures behind it: how many obligations, who decided them, the slowest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from mapproof.spec.evidence import COUNTEREXAMPLES, Evidence, Kind, Verdict

Progress: TypeAlias = Callable[[str], None]


class ExtraMissing(Exception):
    """The packages of the `proofs` extra are not installed."""


class Part(StrEnum):
    """What a job is to its system; the values are the words of the summary."""

    STATEMENT = "statements"
    STEPS = "every step of the model can happen"
    MUTANTS = "the invariant catches every mutant"
    RUNS = "runs of the model"
    REFUTED = "claims that are false, each with a run"
    SECOND = "a second prover agrees"
    LEMMA = "lemmas"
    CONTRACT = "contracts"


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for beside the usual.

    `target` is a file with systems of the user's own, in place of those of the kit; `smt` a folder for the files
    that cvc5 reads. With `one_by_one`, no two obligations share a query.
    """

    second_prover: bool = False
    one_by_one: bool = False
    smt: str | None = None
    target: str | None = None

    @property
    def directory(self) -> Path | None:
        """Where the files for cvc5 go."""
        return None if self.smt is None else Path(self.smt)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a job found: a verdict, for how much it holds, and the text that shows what is wrong, if anything.

    `brief` is what the table says beside the verdict, the scope if nothing; `details` are lines for who asks for
    this one job. `obligations` were decided by `by`; `seconds` is the job's share of the work, None for all of its
    time; `slowest` the time of the slowest query.
    """

    verdict: Verdict
    scope: str
    counterexample: str | None = None
    brief: str = ""
    details: tuple[str, ...] = ()
    obligations: int = 0
    by: tuple[str, ...] = ()
    seconds: float | None = None
    slowest: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A statement that can be checked: its name is the same in every release that makes the statement.

    `words` is the statement as a sentence; `needs` are the packages that the check imports; `check` takes the
    seconds that it may use, and a function that is told how far it is. Jobs of one `group` share work: they belong
    into one process. `cost` is about how many seconds it takes, so that the long ones can be begun first.
    """

    name: str
    words: str
    needs: tuple[str, ...]
    check: Callable[[float, Progress], Answer]
    part: Part
    group: str = ""
    cost: float = 0.1

    @property
    def subject(self) -> str:
        """What it speaks of: the system, or the topic."""
        return self.name.partition(": ")[0]


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown by a job, with the figures for the table; `scope` of the whole system is in the evidence."""

    evidence: Evidence
    part: Part
    brief: str
    details: tuple[str, ...] = ()
    obligations: int = 0
    by: tuple[str, ...] = ()
    slowest: float = 0.0

    @property
    def subject(self) -> str:
        """What it speaks of: the system, or the topic."""
        return self.evidence.name.partition(": ")[0]

    @property
    def title(self) -> str:
        """The statement, without what it speaks of."""
        return self.evidence.name.partition(": ")[2]


def require(job: Job) -> None:
    """Raise `ExtraMissing` when a package that the job needs is not installed."""
    for package in job.needs:
        if find_spec(package) is None:
            raise ExtraMissing(f"{package} is not installed: pip install 'mapproof[proofs]'")


def show(job: Job, timeout: float, progress: Progress = lambda text: None) -> Shown:
    """Check one statement, in about `timeout` seconds at most. Raises `ExtraMissing`."""
    require(job)
    started = time.perf_counter()
    answer = job.check(timeout, progress)
    seconds = time.perf_counter() - started if answer.seconds is None else answer.seconds
    wrong = answer.counterexample if answer.verdict in COUNTEREXAMPLES else None
    evidence = Evidence(job.name, Kind.PROOF, answer.verdict, answer.scope, seconds, wrong)
    brief = answer.brief or answer.scope
    return Shown(evidence, job.part, brief, answer.details, answer.obligations, answer.by, answer.slowest)


def run(job: Job, timeout: float = 60.0) -> Evidence:
    """Check one statement, in about `timeout` seconds at most. Raises `ExtraMissing`.

    The seconds of a statement are its share of the queries that decided it, which it has in common with others.
    """
    return show(job, timeout).evidence
