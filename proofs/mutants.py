"""Mutants: a system with one line of its algorithm wrong, which its invariant must not survive.

The idea: a proof is worth what it can refuse. All steps of a mutant but the replaced ones are those of the
proved system, so only the replaced ones are asked; one of them must break some statement, with a state that
shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mapproof.proofs.chapters import Mutant
from mapproof.proofs.counterexamples import Counterexample
from mapproof.proofs.obligations import Deadline, prove
from mapproof.spec.evidence import Verdict


@dataclass(frozen=True, slots=True)
class MutantCheck:
    """What became of a mutant. PROVED in `verdict` is the bad case: then the invariant says nothing of it."""

    mutant: Mutant
    verdict: Verdict
    counterexample: Counterexample | None

    @property
    def caught(self) -> bool:
        """The mutant was refuted."""
        return self.verdict is Verdict.REFUTED


def check_mutant(mutant: Mutant, *, timeout: float) -> MutantCheck:
    """Ask the replaced steps for the statement that they should break, then for all, within `timeout` seconds."""
    deadline = Deadline(timeout)
    system, actions = mutant.system, [made.name for made in mutant.replaced]
    proof = prove(system, timeout=timeout, actions=actions, statement=mutant.statement)
    if proof.verdict is not Verdict.REFUTED:
        proof = prove(system, timeout=deadline.remaining(), actions=actions)
    return MutantCheck(mutant, proof.verdict, next(iter(proof.counterexamples()), None))
