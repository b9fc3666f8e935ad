"""Verdicts other than linearizability, for who asks how wrong a map is, or claims less for it.

The idea: a map that is not linearizable may still keep a weaker promise, and how stale its answers were can be
measured. `regular` judges each read apart, `staleness` counts what the stalest read missed, in writes and in
time, and `sequentially_consistent` forgets the clock and keeps only what each client did in turn. A linearizable
history has all three: it is regular, misses nothing, and is sequentially consistent.
"""

from mapproof.spec.consistency.regularity import NotRegular, Regular, regular
from mapproof.spec.consistency.sequential import (
    NotSequentiallyConsistent,
    SequentiallyConsistent,
    sequentially_consistent,
)
from mapproof.spec.consistency.stale_reads import Staleness, Unexplained, staleness

__all__ = [
    "NotRegular",
    "NotSequentiallyConsistent",
    "Regular",
    "SequentiallyConsistent",
    "Staleness",
    "Unexplained",
    "regular",
    "sequentially_consistent",
    "staleness",
]
