"""The great comparison with brute force, about a quarter of an hour: `python benchmarks/oracle.py [HISTORIES [WHOLE_MAP]]`.

Every decider judges HISTORIES (1,000,000) small random histories of each family of keyed operations, and WHOLE_MAP
(100,000) with operations on the whole map, in two processes or as many as there are cores. Prints how often each
answered what. Exits 1 at the first disagreement, with the smallest history of its batch. See `tests/spec/families.py`.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "spec"))

from families import FAMILIES, WHOLE_MAP, Disagreement, Tally, compare, compare_whole_map

BATCH, WHOLE_MAP_BATCH = 10_000, 500

Job = tuple[int, int, int]
"""The place of a family in FAMILIES (past its end: WHOLE_MAP), a seed, and how many histories."""


def main(arguments: list[str]) -> bool:
    """Whether all deciders agreed on every history."""
    histories, whole_map = [int(text) for text in arguments] + [1_000_000, 100_000][len(arguments) :]
    jobs = [*jobs_of(len(FAMILIES), whole_map, WHOLE_MAP_BATCH)]
    for place in range(len(FAMILIES)):
        jobs += jobs_of(place, histories, BATCH)
    total: Tally = Counter()
    started = time.perf_counter()
    with multiprocessing.Pool(max(2, multiprocessing.cpu_count())) as pool:
        for done, outcome in enumerate(pool.imap_unordered(run, jobs), 1):
            if isinstance(outcome, Disagreement):
                print(f"\n{outcome}")
                pool.terminate()
                return False
            total += outcome
            print(f"\r{done}/{len(jobs)} batches, {time.perf_counter() - started:.0f} s", end="", flush=True)
    print(f"\n\n{table(total)}")
    return True


def jobs_of(place: int, histories: int, size: int) -> list[Job]:
    """Batches of `size` histories, `histories` in all, with seeds that the tests do not use."""
    return [
        (place, 1_000 + begin // size, min(size, histories - begin)) for begin in range(0, histories, size)
    ]


def run(job: Job) -> Tally | Disagreement:
    """Compare one batch."""
    place, seed, count = job
    return compare_whole_map(seed, count) if place == len(FAMILIES) else compare(FAMILIES[place], seed, count)


def table(total: Tally) -> str:
    """For each family and decider how many histories it called linearizable, and how many not."""
    lines = [f"{'family':40} {'decider':12} {'LINEARIZABLE':>12} {'VIOLATION':>10}"]
    names = [family.name for family in FAMILIES] + [WHOLE_MAP]
    for family, decider in sorted(
        {key[:2] for key in total}, key=lambda pair: (names.index(pair[0]), pair[1])
    ):
        yes, no = total[family, decider, "LINEARIZABLE"], total[family, decider, "VIOLATION"]
        lines.append(f"{family:40} {decider:12} {yes:12,} {no:10,}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
