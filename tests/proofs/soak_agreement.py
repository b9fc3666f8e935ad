"""Z3 and compiled Python on random steps of every system, mutants too: `python tests/proofs/soak_agreement.py 100000`.

Each system gets its share of the steps, half of them in plain and half in larger domains. Exits 1 at a disagreement.
"""

from __future__ import annotations

import sys
from time import process_time

from agreement import Agreement, domains_for, run

from mapproof.proofs.systems import chapters

MUTANTS_SHARE = 0.2


def main(transitions: int) -> int:
    """Compare so many transitions, and say how many; 1 when there was a disagreement."""
    systems = [(chapter.system, chapter.mutants) for chapter in chapters()]
    share = transitions // len(systems)
    total, wrong = 0, 0
    for system, mutants in systems:
        jobs = [(system, domains_for(system, more), int(share * (1 - MUTANTS_SHARE)) // 2) for more in (1, 2)]
        if mutants:
            each = -(-int(share * MUTANTS_SHARE) // len(mutants))
            jobs += [(mutant.system, domains_for(system), each) for mutant in mutants]
        started, done, tried, happened = process_time(), 0, 0, set()
        for seed, (job, domains, count) in enumerate(jobs):
            found = run(Agreement(job, domains), seed=seed, transitions=count)
            done, tried = done + found.transitions, tried + found.tried
            happened |= found.happened
            wrong += len(found.disagreements)
            for disagreement in found.disagreements[:5]:
                print(f"{job.name}: {disagreement}", file=sys.stderr)
        total += done
        actions = f"{len(happened)} of {len(system.actions)} actions"
        took = process_time() - started
        print(f"{system.name:30} {done:8,} transitions, {tried - done:8,} refused, {actions}, {took:.1f} s")
    print(f"{total:,} transitions, {wrong} disagreements")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
