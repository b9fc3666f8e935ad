"""All mutants of the reference maps in one table, and docs/mutants.md, which is this table.

`python tests/impl/mutant_table.py` writes the page again; a test holds it against the code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parent))

import mutants_inventory
import mutants_local_cache
import mutants_plain_map
import mutants_progress
import mutants_rwmutex_map
import mutants_sharded_map
import mutants_sync
import mutants_sync_map
import mutants_trie_map
from mutants import Mutant

ROOMS: Mapping[str, ModuleType] = {
    "The primitives": mutants_sync,
    "PlainMap, and GuardedMap": mutants_plain_map,
    "RWMutexMap": mutants_rwmutex_map,
    "SyncMap": mutants_sync_map,
    "TrieMap": mutants_trie_map,
    "ShardedMap": mutants_sharded_map,
    "The inventories": mutants_inventory,
    "The local cache, and what it is fed by": mutants_local_cache,
    "Progress, of several of them": mutants_progress,
}

Caught = Callable[[Mutant], str]

PAGE = Path(__file__).parents[2] / "docs" / "mutants.md"

HEAD = """\
# The mutants of the reference maps

Each is the source of a map with one place changed, a slip that somebody might make. The detector that is named must
catch it, and say why in the words that its test holds it to (`tests/impl/test_mutants.py`, which also holds this page
against the tests). {count} mutants; the maps as they are raise no alarm in 100,000 schedules each (`make maps-15min`).

| detector | looks at |
|---|---|
| linearizability | the history of a schedule has no order that explains its answers |
| race | two accesses of plain memory that nothing orders, one of them a write |
| invariant | the state between two accesses, at every step of every thread, or at rest |
| deadlock | no thread can go on |
| progress | an operation that should end by itself does not, with all others paused; or it takes a lock |
| len at rest | `len` against the pairs, when nothing runs |
| memory bound | what stays reachable after keys were deleted |
| exception | an operation raised what it must not |
| answers in sequence | one thread, against a dict |
"""


def rows() -> Iterator[tuple[Mutant, Caught]]:
    """Every mutant, and the function that looks for it."""
    for room in ROOMS.values():
        for mutant in room.MUTANTS:
            yield mutant, room.caught


def page() -> str:
    """docs/mutants.md."""
    lines = [HEAD.format(count=len(list(rows())))]
    for title, room in ROOMS.items():
        lines += [
            f"## {title}",
            "",
            "| in | what is wrong | caught by | where it is looked for |",
            "|---|---|---|---|",
        ]
        lines += [f"| {_row(mutant)} |" for mutant in room.MUTANTS]
        lines.append("")
    return "\n".join(lines)


def _row(mutant: Mutant) -> str:
    cells = (mutant.subject, mutant.wrong, str(mutant.detector), mutant.scenario)
    return " | ".join(cell.replace("|", "\\|") for cell in cells)


if __name__ == "__main__":
    PAGE.write_text(page())
