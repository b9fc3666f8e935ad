"""Spacer on every mutant of the promotion of one key: `python tests/proofs/soak_inference.py`.

Exits 1 when a wrong one gets no run, or one that is as good as the original gets no invariant.
"""

from __future__ import annotations

import sys
from time import process_time

from mapproof.proofs.solving.inference import infer
from mapproof.proofs.systems.promotion_of_one_key import answers
from mapproof.proofs.systems.promotion_of_one_key_mutants import MUTANTS
from mapproof.spec.evidence import Verdict


def main() -> int:
    """A line a mutant; 1 when something came out otherwise."""
    wrong = 0
    for mutant in MUTANTS:
        started, found = process_time(), infer(mutant.system, answers, timeout=120)
        expected = Verdict.PROVED if mutant.breaks is None else Verdict.REFUTED
        wrong += found.verdict is not expected
        size = f"{len(found.run)} steps" if found.run else f"{len(found.clauses)} clauses"
        print(f"{process_time() - started:5.1f} s  {found.verdict:9}  {size:10}  {mutant.name}")
    print(f"{len(MUTANTS)} mutants, {wrong} otherwise than expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
