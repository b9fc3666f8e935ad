"""The claims of a chapter that are false, each with the shortest run that shows it.

The idea: what a reviewer would otherwise believe of an algorithm is written down as a mutant whose wrong line is the
claim, and run in plain Python until the claim fails. A claim of which no such run is found is an error of the
chapter, and never taken for refuted.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Fault, Mutant
from mapproof.proofs.running.refutations import Refutation, classify
from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.table.checks import Answer, Progress
from mapproof.spec.evidence import Verdict


def refuted(claims: tuple[Mutant, ...], timeout: float, progress: Progress) -> Answer:
    """EXHAUSTED when each claim fails in a run; FAILED when one does not within its bound."""
    deadline, found = Deadline(timeout), list[Refutation]()
    for claim in claims:
        progress(claim.name)
        found.append(classify(claim, claim.statement, seconds=deadline.remaining()))
    pairs = list(zip(claims, found, strict=True))
    wrong = [claim.name for claim, run in pairs if run.exhausted and run.fault is not claim.fault]
    is_open = any(run.fault is None for run in found)
    brief = "; ".join(_line(claim, run) for claim, run in pairs)
    details = tuple(f"{claim.name}\n{run}" for claim, run in pairs)
    if wrong:
        return Answer(Verdict.FAILED, brief, f"not refuted: {'; '.join(wrong)}", by=("Python",))
    verdict = Verdict.UNDECIDED if is_open else Verdict.EXHAUSTED
    return Answer(verdict, brief, None, brief, details, by=("Python",))


def _line(claim: Mutant, run: Refutation) -> str:
    if run.fault is not Fault.WRONG_ANSWER:
        return f"{claim.name}: no run that shows it false"
    return f"{claim.name}: refuted as expected, by a run of {len(run.trace)} steps"
