"""Go's sync.Map, up to Go 1.23, as one transition system: state, steps and invariant put together.

What is shown of it holds for any number of keys, values, entries and threads. Of Range it says what becomes
of any one key; that no key comes twice is in the shape of a map. What is not covered: progress; keys and values
whose `==` or hash fails or calls the map; and that `length`, counted at each insertion and removal, is the
number of keys (no first-order formula says so; the tests compare the two on concrete runs).
"""

from __future__ import annotations

from mapproof.proofs.systems.sync_map.calls import CALL_STEPS, initial
from mapproof.proofs.systems.sync_map.clear import CLEAR_STEPS
from mapproof.proofs.systems.sync_map.consequences import LEMMAS, STEP_PROPERTIES
from mapproof.proofs.systems.sync_map.dirty import DIRTY_STEPS
from mapproof.proofs.systems.sync_map.entries import ENTRY_STEPS
from mapproof.proofs.systems.sync_map.invariant import MAP_INVARIANT, contents
from mapproof.proofs.systems.sync_map.lookup import LOOKUP_STEPS
from mapproof.proofs.systems.sync_map.state import STATE
from mapproof.proofs.systems.sync_map.thread_invariant import THREAD_INVARIANT, seen_current
from mapproof.proofs.transition_system import system

SYNC_MAP = system(
    "sync.Map",
    scope="all keys, values and threads; a model of every operation of Go 1.23, sequentially consistent",
    state=STATE,
    initial=initial,
    actions=(*CALL_STEPS, *LOOKUP_STEPS, *ENTRY_STEPS, *DIRTY_STEPS, *CLEAR_STEPS),
    invariants=(*MAP_INVARIANT, *THREAD_INVARIANT),
    background=(contents, seen_current),
    lemmas=LEMMAS,
    step_properties=STEP_PROPERTIES,
)
