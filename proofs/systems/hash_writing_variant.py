"""Go's flag with one atomic step more: then no two mutations overlap unnoticed. This is not what Go does.

The idea: if the end finds the flag set and clears it in one step, a writer that ends quietly takes one `set` away. So
the number of writers that mutate, less one if the flag is set, never falls; it is more than 0 once two mutate at once,
and it is 0 when all have ended. Hence somebody is left who finds the flag clear. The toggle stays as it is, two plain
accesses. To make the toggle atomic in place of the end is not enough: three writers pass that
(`ATOMIC_TOGGLE` in `hash_writing_mutants`).
"""

from __future__ import annotations

from mapproof.proofs.systems.hash_writing import (
    HASH_WRITING,
    STATE,
    h,
    initial,
    not_negative,
    under_way,
    writers,
)
from mapproof.proofs.terms import Bool, all_of, any_of, claim, count, implies, when
from mapproof.proofs.transition_system import action, invariant, lemma, system

QUIET = "when the last writer ends quietly, no two have mutated at once"


@action
def end() -> None:
    """The mutation is over; the flag is set, and is cleared in the same step"""
    when(~h.fatal, writers.mutating > 0, h.hash_writing)
    h.hash_writing = False
    writers.mutating = writers.mutating - 1
    writers.ending = writers.ending + 1


def call_ends() -> None:
    """The last line of a call, and what is to be true of a map that is at rest again."""
    when(~h.fatal, writers.ending > 0)
    claim(QUIET, any_of(~writers.overlapped, writers.mutating + writers.ending > 1))
    writers.met = all_of(writers.met, under_way() > 1)
    writers.ending = writers.ending - 1


@action
def clear() -> None:
    """The call ends; the flag is clear already"""
    call_ends()


@invariant("a flag that is set is somebody's")
def set_by_a_writer() -> Bool:
    """The flag is set only while somebody mutates."""
    return implies(h.hash_writing, writers.mutating > 0)


@invariant("a lone writer finds the flag as it left it")
def alone() -> Bool:
    """As long as no two calls have met, one is under way at most, and the flag is set while it mutates."""
    return implies(
        ~writers.met,
        under_way() <= 1,
        writers.read_set == 0,
        h.hash_writing == (writers.mutating > 0),
    )


@invariant("of two that overlapped one is left who will find the flag clear")
def one_is_left() -> Bool:
    """Once two have mutated at once, more mutate than the flag counts for, until somebody is accused."""
    return implies(all_of(writers.overlapped, ~h.fatal), writers.mutating > count(h.hash_writing))


@lemma("an overlap that is over has been noticed")
def noticed() -> Bool:
    """When nobody mutates any more, and nobody was accused, no two have ever mutated at once."""
    return implies(all_of(writers.mutating == 0, ~h.fatal), ~writers.overlapped)


ATOMIC_END = system(
    "hashWriting with an atomic end",
    scope="all writers, counted at each place; a variant, not Go's map; sequentially consistent",
    state=STATE,
    initial=initial,
    actions=HASH_WRITING.with_actions("", (end, clear)).actions.values(),
    invariants=(not_negative, set_by_a_writer, alone, one_is_left),
    lemmas=(noticed,),
)
