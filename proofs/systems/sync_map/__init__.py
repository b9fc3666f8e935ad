"""Go's sync.Map, up to Go 1.23, as one transition system: state, steps and invariant put together.

What is shown of it holds for any number of keys, values, entries and threads. What is not covered: Range,
CompareAndSwap, LoadOrStore, Swap and Clear; progress; and that `length`, counted at each insertion and
removal, is the number of keys (no first-order formula says so; the tests compare the two on concrete runs).
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.invariant import INVARIANT, contents, seen_current
from mapproof.proofs.systems.sync_map.state import STATE
from mapproof.proofs.systems.sync_map.steps import STEPS, initial
from mapproof.proofs.systems.sync_map.store import STORE_STEPS
from mapproof.proofs.transition_system import system

SYNC_MAP = system(
    "sync.Map",
    scope="all keys, values and threads; a model of Load, Store, LoadAndDelete, sequentially consistent",
    state=STATE,
    initial=initial,
    actions=(*STEPS, *STORE_STEPS),
    invariants=INVARIANT,
    background=(contents, seen_current),
)
