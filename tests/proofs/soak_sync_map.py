"""Runs every mutant of sync.Map to the fault that it is said to have: `python tests/proofs/soak_sync_map.py`.

With words, only the mutants in whose names they stand. Exits 1 when one has another fault. About five minutes.
"""

from __future__ import annotations

import sys
from time import process_time

from mapproof.proofs.chapters import Fault
from mapproof.proofs.running.refutations import classify, equivalent
from mapproof.proofs.systems.sync_map.mutants import MUTANTS


def main(words: str) -> int:
    """Class every mutant, and say in a line what was run; 1 when one is not what it is said to be."""
    wrong = 0
    for mutant in (made for made in MUTANTS if words in made.name):
        started = process_time()
        if mutant.fault is Fault.EQUIVALENT:
            found = equivalent(mutant, seconds=600)
        else:
            found = classify(mutant, mutant.statement, seconds=600)
        as_said = found.fault is mutant.fault
        wrong += not as_said
        fault = found.fault.name if found.fault else "not classed"
        print(
            f"{'  ' if as_said else '! '}{mutant.name:60} {fault:13} {found.states:9,} states, "
            f"{len(found.trace):3} steps {process_time() - started:6.1f} s"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
