"""The sharded map that rehashes without a pause, as one transition system: state, steps and invariant put together.

What is shown of it holds for any number of keys, values, bins, shards and threads, and of migrations one after
another. What is not covered: `len` and the count of a shard (so the comparison of counts, which could but drop a
split), progress, and that a chain keeps each key once in its tuple: here it is a map.
"""

from __future__ import annotations

from mapproof.proofs.systems.shard_rehash.invariant import INVARIANT, contents, seen_current
from mapproof.proofs.systems.shard_rehash.migration import MIGRATION_STEPS
from mapproof.proofs.systems.shard_rehash.state import STATE
from mapproof.proofs.systems.shard_rehash.steps import STEPS, initial
from mapproof.proofs.transition_system import system

SHARD_REHASH = system(
    "sharded map",
    scope="all keys, values, bins, shards, splits and threads; a model of all operations but len, "
    "sequentially consistent",
    state=STATE,
    initial=initial,
    actions=(*STEPS, *MIGRATION_STEPS),
    invariants=INVARIANT,
    background=(contents, seen_current),
)
