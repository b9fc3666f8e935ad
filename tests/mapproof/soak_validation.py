"""What takes too long for the tests: random schedules, every slip in the maps, and every mutant of the systems.

    python tests/mapproof/soak_validation.py [WALKS]

Not every change can be noticed. A slip in what a system does not speak of is none to it; and a mutant that only allows
more than the system does is followed all the same, for validation says that the system allows what the code does, and
not that the code does all of it. Which those are is written down here, and anything else is a failure.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "impl"))

import hashed
import mutants_sharded_map
import mutants_sync_map

from mapproof.proofs.systems.shard_rehash import mutants as shard_rehash_mutants
from mapproof.proofs.systems.sync_map import mutants as sync_map_mutants
from mapproof.validated_maps import RehashingMap, Subject, sharded_map, sync_map
from mapproof.validation import validated

NOT_MODELLED: Final = frozenset(
    {
        "a shard that is found overloaded goes before those that wait",
        "the time of the last look is read without the lock",
        "len counts a shard once for each slot that leads to it",
        "the shards that were split are kept",
        "every split doubles the route, needed or not",
        "a shard is split however many there are",
    }
)
"""Slips in the order of the waiting shards, the time of the last look, `len`, memory, and the size of the route."""

ALLOWING_MORE: Final = frozenset(
    {
        "swap stores without comparing",
        "load-or-store stores without comparing",
        "compare-and-swap stores without comparing again",
        "the copy to dirty expunges without comparing",
        "the switch comes early",
        "the bins are not compared",
        "the cursor fills gaps only",
    }
)
"""Mutants that can do what the code does: a step that may fail still may, or what must come first still may."""

Changed = tuple[str, Subject]


def slips() -> Iterator[Changed]:
    """Every slip in the code of the maps that the tests of the maps know."""
    for slip in mutants_sync_map.MUTANTS:
        yield slip.wrong, sync_map(slip.built())
    for slip in mutants_sharded_map.MUTANTS:
        yield slip.wrong, sharded_map(partial(_slipped, slip))


def _slipped(slip: Any, factory: Callable[[], Any]) -> Callable[[], Any]:
    if factory is RehashingMap:  # a class of its own module, made of the map as it is
        return factory
    return hashed.factory_of(slip, factory, mutants_sharded_map.MODULES)


def mutants() -> Iterator[Changed]:
    """Every mutant of a system that is compared with code, and the code as it is."""
    for mutant in sync_map_mutants.MUTANTS:
        yield mutant.name, sync_map(system=mutant.system)
    for mutant in shard_rehash_mutants.MUTANTS:
        yield mutant.name, sharded_map(system=mutant.system)


def short(subject: Subject) -> Subject:
    """At most one preemption everywhere."""
    grounds = (
        replace(g, bounds=((1, tuple(s for _, some in g.bounds for s in some)),)) for g in subject.grounds
    )
    return replace(subject, grounds=tuple(grounds))


def unexpected(changes: Iterator[Changed], followed: frozenset[str]) -> int:
    """How many were noticed or followed against expectation; each is told."""
    wrong = 0
    for name, subject in changes:
        result = validated(short(subject))
        never = [action for action in result.unreached if action in subject.system.actions]
        noticed = result.complaint is not None or bool(never)
        wrong += noticed == (name in followed)
        mark = "  " if noticed != (name in followed) else "? "
        reason = result.complaint.splitlines()[1] if result.complaint else f"never made: {', '.join(never)}"
        word = (
            f"noticed   {subject.name}, {name}: {reason[:100]}"
            if noticed
            else f"followed  {subject.name}, {name}"
        )
        print(mark + word, flush=True)
    return wrong


def random_schedules(walks: int) -> int:
    """How many of the maps as they are part from their systems."""
    wrong = 0
    for subject in (sync_map(), sharded_map()):
        started = time.process_time()
        result = validated(subject, walks=walks, seed=1)
        rate = result.accesses / (time.process_time() - started)
        verdict = result.complaint or result.undecided or "all followed"
        print(
            f"{subject.name}: {result.schedules:,} random schedules, {result.accesses:,} accesses matched, "
            f"{rate:,.0f} a second, {result.states:,} states: {verdict}",
            flush=True,
        )
        wrong += result.over
    return wrong


def main(walks: int) -> int:
    """How much went otherwise than expected."""
    return random_schedules(walks) + unexpected(slips(), NOT_MODELLED) + unexpected(mutants(), ALLOWING_MORE)


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)))
