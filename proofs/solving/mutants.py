"""Mutants: a system with one line of its algorithm wrong, which its invariant must not survive.

The idea: a proof is worth what it can refuse. All steps of a mutant but the replaced ones are those of the
proved system, so only the replaced ones are asked; one of them must break the statement that the mutant names,
with a state that shows it. A mutant that is as good as the original must leave nothing refuted.
"""

from __future__ import annotations

from dataclasses import dataclass

from mapproof.proofs.chapters import Mutant
from mapproof.proofs.solving.counterexamples import Counterexample
from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.solving.obligations import Proof, prove
from mapproof.spec.evidence import Verdict


@dataclass(frozen=True, slots=True)
class MutantCheck:
    """What became of a mutant: `proof` is about the replaced steps alone.

    A mutant that is PROVED is the bad case, unless it is said to be as good: the invariant says nothing of it.
    """

    mutant: Mutant
    proof: Proof

    @property
    def verdict(self) -> Verdict:
        """Of the replaced steps."""
        return self.proof.verdict

    @property
    def counterexample(self) -> Counterexample | None:
        """The first one."""
        return next(iter(self.proof.counterexamples()), None)

    @property
    def caught(self) -> bool:
        """The mutant was refuted."""
        return self.verdict is Verdict.REFUTED

    @property
    def caught_by(self) -> tuple[str, ...]:
        """The statements that were refuted, by name."""
        refuted = (r.obligation.statement for r in self.proof.results if r.verdict is Verdict.REFUTED)
        return tuple(dict.fromkeys(refuted))

    @property
    def as_said(self) -> bool:
        """It breaks the statement that it names; or it names none, and nothing is refuted."""
        if self.mutant.breaks is None:
            return self.verdict is Verdict.PROVED
        return self.mutant.statement in self.caught_by


def check_mutant(mutant: Mutant, *, timeout: float) -> MutantCheck:
    """Ask the replaced steps for the statement that they should break, then for all, within `timeout` seconds."""
    deadline = Deadline(timeout)
    system, actions = mutant.system, [made.name for made in mutant.replaced]
    if mutant.breaks is not None:
        proof = prove(system, timeout=timeout, actions=actions, statement=mutant.statement)
        if proof.verdict is Verdict.REFUTED:
            return MutantCheck(mutant, proof)
    return MutantCheck(mutant, prove(system, timeout=deadline.remaining(), actions=actions))
