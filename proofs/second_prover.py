"""The same obligations put to cvc5, a prover that shares no code with Z3.

The idea: an error in one solver should not be an error in the verdict. What both get are the same formulas, so
this says nothing of whether the formulas mean what the code does; other checks are for that.
"""

from __future__ import annotations

from dataclasses import dataclass

import cvc5
import z3

from mapproof.proofs.counterexamples import Query
from mapproof.proofs.obligations import QUERY_SECONDS, Deadline, batches
from mapproof.proofs.transition_system import System
from mapproof.spec.evidence import Verdict


@dataclass(frozen=True, slots=True)
class Recheck:
    """The actions, `initial` among them, all of whose obligations cvc5 found to hold, to fail, or left open."""

    confirmed: tuple[str, ...]
    contradicted: tuple[str, ...]
    undecided: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """PROVED when every action is confirmed; FAILED when the provers contradict each other."""
        if self.contradicted:
            return Verdict.FAILED
        return Verdict.UNDECIDED if self.undecided else Verdict.PROVED


def recheck(system: System, *, timeout: float) -> Recheck:
    """Put every obligation of a proved system to cvc5, within `timeout` seconds in all."""
    deadline = Deadline(timeout)
    answers = {query.action.name: _ask(query, deadline) for query in batches(system)}

    def answered(*wanted: str) -> tuple[str, ...]:
        return tuple(name for name, answer in answers.items() if answer in wanted)

    settled = {"unsat", "sat"}
    return Recheck(answered("unsat"), answered("sat"), answered(*({*answers.values()} - settled)))


def _ask(query: Query, deadline: Deadline) -> str:
    """What cvc5 says of the negated obligation: unsat, sat, or anything else when it does not know."""
    milliseconds = int(1000 * min(QUERY_SECONDS, deadline.remaining()))
    if milliseconds < 1:
        return "out of time"
    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("tlimit-per", str(milliseconds))
    solver.setLogic("ALL")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, _smt_lib(query), query.action.name)
    symbols, answer = parser.getSymbolManager(), "nothing"
    while not (command := parser.nextCommand()).isNull():
        answer = command.invoke(solver, symbols).strip() or answer
    return answer


def _smt_lib(query: Query) -> str:
    solver = z3.Solver()
    solver.add(*query.assumptions, z3.Not(query.goal))
    return str(solver.to_smt2())
