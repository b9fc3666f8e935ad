"""The same obligations put to cvc5, a prover that shares no code with Z3.

The idea: an error in one solver should not be an error in the verdict. What both get are the same formulas, as
SMT-LIB files that any other prover reads too, so this says nothing of whether the formulas mean what the code does;
other checks are for that. Of a sample of obligations cvc5 also writes a proof, which its own checker goes through
step by step.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cvc5
import z3

from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.solving.queries import (
    QUERY_SECONDS,
    SEED,
    Obligation,
    Queries,
    Query,
    all_obligations,
    steps,
)
from mapproof.proofs.transition_system import System
from mapproof.spec.evidence import Verdict

CHECKED_PROOFS = 20
"""Of how many obligations of a system cvc5's proof is checked."""


class Reply(StrEnum):
    """What cvc5 says of a file: UNSAT confirms the obligation, SAT contradicts it, UNKNOWN is neither."""

    UNSAT = "unsat"
    SAT = "sat"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Script:
    """Formulas in SMT-LIB 2, with a question for each of the statements: `(check-sat)`, under the assumptions.

    `unsat` says that the statement holds; of a false one `sat` is `expected`. `name` is that of the file, without
    `.smt2`; `about` says in words what is asked, a line each.
    """

    name: str
    about: tuple[str, ...]
    statements: tuple[str, ...]
    formulas: str
    expected: Reply = Reply.UNSAT

    def __str__(self) -> str:
        """The file: a comment that says what it is, then the formulas."""
        means = "it holds" if self.expected is Reply.UNSAT else "it does not hold"
        head = [*self.about, *(f"statement: {' '.join(statement.split())}" for statement in self.statements)]
        head.append(f"expected for each statement: {self.expected}, which says that {means}")
        return "".join(f"; {line}\n" for line in head) + self.formulas

    def write(self, directory: Path) -> Path:
        """Write it into the directory, which is made. Raises OSError."""
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', self.name)[:120]}.smt2"
        file.write_text(str(self), encoding="utf-8")
        return file


@dataclass(frozen=True, slots=True)
class Recheck:
    """What cvc5 found of each obligation: that it holds, that it does not, or nothing.

    Of `proofs` obligations cvc5's proof was checked as well; `unproved` are those of the sample for which there is
    no checked proof.
    """

    confirmed: tuple[Obligation, ...]
    contradicted: tuple[Obligation, ...]
    undecided: tuple[Obligation, ...]
    proofs: int = 0
    unproved: tuple[Obligation, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """PROVED when all is confirmed; FAILED when the provers contradict each other; else UNDECIDED."""
        if self.contradicted:
            return Verdict.FAILED
        return Verdict.UNDECIDED if self.undecided or self.unproved or not self.confirmed else Verdict.PROVED


def recheck(
    system: System,
    *,
    timeout: float,
    proofs: int = CHECKED_PROOFS,
    directory: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Recheck:
    """Put every obligation of a proved system to cvc5, within `timeout` seconds in all.

    The proofs of so many obligations, drawn by a fixed seed, are checked. The files go into `directory` if there is
    one, a file for each action.
    """
    deadline, queries = Deadline(timeout), Queries(system)
    replies: dict[Reply, list[Obligation]] = {reply: [] for reply in Reply}
    for step in steps(system):
        if asked := queries.of(step):
            progress(step)
            script = script_of(asked)
            if directory is not None:
                script.write(directory)
            for query, reply in zip(asked, ask(script, timeout=deadline.remaining()), strict=True):
                replies[reply].append(Obligation(step, query.statement))
    sample = _sample(system, proofs)
    unproved = [o for o in sample if not _has_checked_proof(queries, o, deadline, progress)]
    return Recheck(
        tuple(replies[Reply.UNSAT]),
        tuple(replies[Reply.SAT]),
        tuple(replies[Reply.UNKNOWN]),
        len(sample) - len(unproved),
        tuple(unproved),
    )


def _sample(system: System, size: int) -> list[Obligation]:
    everything = all_obligations(system)
    return sorted(random.Random(SEED).sample(everything, min(size, len(everything))))


def _has_checked_proof(
    queries: Queries, obligation: Obligation, deadline: Deadline, progress: Callable[[str], None]
) -> bool:
    progress(f"{obligation}, the proof")
    script = script_of(queries.of(obligation.action, {obligation.statement}))
    return ask(script, timeout=deadline.remaining(), options=_CHECKED) == (Reply.UNSAT,)


_CHECKED = {"produce-proofs": "true", "check-proofs": "true", "proof-check": "eager"}
FINITE_MODELS = {"finite-model-find": "true"}
"""With this option cvc5 finds the state that refutes an obligation; without it, it gives up on most."""


def ask(
    script: Script, *, timeout: float, options: Mapping[str, str] | None = None, each: float = QUERY_SECONDS
) -> tuple[Reply, ...]:
    """What cvc5 says of each statement, in `timeout` seconds in all, and in `each` seconds for one."""
    deadline = Deadline(timeout)
    solver = cvc5.Solver(cvc5.TermManager())
    several = {"incremental": "true"} if len(script.statements) > 1 else {}
    for option, value in {"seed": str(SEED), **several, **(options or {})}.items():
        solver.setOption(option, value)
    solver.setOption("tlimit-per", str(max(1, int(1000 * min(each, timeout)))))
    solver.setLogic("ALL")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, str(script), script.name)
    symbols, replies = parser.getSymbolManager(), list[Reply]()
    while deadline.remaining() and not (command := parser.nextCommand()).isNull():
        answer = command.invoke(solver, symbols).strip()
        if answer:
            replies.append(Reply(answer) if answer in tuple(Reply) else Reply.UNKNOWN)
    unasked = len(script.statements) - len(replies)
    return (*replies, *([Reply.UNKNOWN] * unasked))


def script_of(queries: Sequence[Query]) -> Script:
    """The negated goals of queries of one action, one after the other, under the assumptions that they share."""
    first = queries[0]
    about = (
        f"system: {first.system.name}",
        f"action: {first.action.name}    {' '.join(first.action.words.split())}",
    )
    name = f"{first.system.name}-{first.action.name}"
    statements = tuple(query.statement for query in queries)
    if len(queries) == 1:
        return Script(name, about, statements, _smt_lib((*first.assumptions, z3.Not(first.goal))))
    broken = [z3.Bool(f"broken {number}") for number in range(len(queries))]
    meanings = (z3.Implies(flag, z3.Not(q.goal)) for flag, q in zip(broken, queries, strict=True))
    text = _smt_lib((*first.assumptions, *meanings)).replace("(check-sat)\n", "")
    questions = (f"(check-sat-assuming (|{flag}|))\n" for flag in map(str, broken))
    return Script(name, about, statements, text + "".join(questions))


def _smt_lib(formulas: Iterable[object]) -> str:
    """Without the first lines that Z3 writes: the name of its own binding, and a status that is not known."""
    solver = z3.Solver()
    solver.add(*formulas)
    text: str = solver.to_smt2()
    return re.sub(r"\A;.*\n\(set-info :status unknown\)\n", "", text)
