"""What takes too long for the tests: every mutant of the systems against the code, and many random schedules.

    python tests/mapproof/soak_validation.py [WALKS]

A mutant that allows more than the code does can be followed all the same: validation says that what the code does the
system allows, not that the code does all of it. Those that are followed are listed, and are no failures.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from mapproof.proofs.chapters import Mutant
from mapproof.proofs.systems.shard_rehash import mutants as shard_rehash_mutants
from mapproof.proofs.systems.sync_map import mutants as sync_map_mutants
from mapproof.spec.evidence import Verdict
from mapproof.validated_maps import Subject, sharded_map, sync_map
from mapproof.validation import evidence, validated


def mutants() -> Iterator[tuple[Mutant, Subject]]:
    """Every mutant of a system that is compared with code, and the code to compare it with."""
    for mutant in sync_map_mutants.MUTANTS:
        yield mutant, sync_map(system=mutant.system)
    for mutant in shard_rehash_mutants.MUTANTS:
        yield mutant, sharded_map(system=mutant.system)


def short(subject: Subject) -> Subject:
    """At most one preemption everywhere."""
    grounds = (
        replace(g, bounds=((1, tuple(s for _, some in g.bounds for s in some)),)) for g in subject.grounds
    )
    return replace(subject, grounds=tuple(grounds))


def main(walks: int) -> int:
    wrong = 0
    for subject in (sync_map(), sharded_map()):
        started = time.process_time()
        result = validated(subject, walks=walks, seed=1)
        seconds = time.process_time() - started
        print(
            f"{subject.name}: {result.schedules:,} random schedules, {result.accesses:,} accesses, "
            f"{result.accesses / seconds:,.0f} a second, {result.complaint or result.undecided or 'all followed'}"
        )
        wrong += result.over
    for mutant, subject in mutants():
        found = evidence(short(subject))
        noticed = "noticed" if found.verdict is Verdict.FAILED else "FOLLOWED"
        reason = (found.counterexample or "").splitlines()[:2]
        print(f"{subject.name}, {mutant.name}: {noticed} {' | '.join(reason)[:160]}", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
