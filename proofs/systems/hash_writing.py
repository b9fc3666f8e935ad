"""The flag by which Go's built-in map (up to Go 1.23) notices some of its misuse: what is true of it, and what is not.

The idea: the flag is clear or set, and a writer goes through

    check       fatal if the flag is set
    toggle      two plain accesses: read the flag, write the opposite of what was read
    mutate
    end         fatal if the flag is clear
    clear       write the flag as clear

Proved for any number of writers: who is accused was not alone. Refuted, with the shortest run: that writers who
mutated at once are accused (`UNNOTICED` in `hash_writing_mutants`). Both read clear, both write set, both mutate, both
find it set, both clear. What would make it true is in `hash_writing_variant`.

Counting. A writer is its place and the flag that it read for the toggle, nothing else, and no step asks who another
writer is. So two writers at one place can be exchanged, and how many there are at each place tells all that any
number of writers can do. What the map holds is not here; nor are readers: one checks once, before it reads, so a
writer that comes after that check is seen by nobody. `impl/plain_map.py` has the same accesses.
"""

from __future__ import annotations

from mapproof.proofs.terms import Bool, Field, Globals, Int, all_of, any_of, claim, count, implies, when
from mapproof.proofs.transition_system import action, actions_in, invariant, lemma, system


class HMap(Globals, prefix="h"):
    """The map: one bit of `flags`, and whether the process has ended."""

    hash_writing = Field(Bool)  # flags & hashWriting
    fatal = Field(Bool)  # fatal error: concurrent map writes


class Writers(Globals, prefix="writers"):
    """How many writers are at each place, and what they have done so far."""

    checked = Field(Int)  # have found the flag clear
    read_clear = Field(Int)  # have read the flag for the toggle: it was clear
    read_set = Field(Int)  # the same: it was set
    mutating = Field(Int)
    ending = Field(Int)  # have found the flag set after their mutation
    met = Field(Bool, ghost=True)  # a call began while another was under way, since the map was last at rest
    overlapped = Field(Bool, ghost=True)  # a mutation has begun while another was under way


h, writers = HMap(), Writers()
STATE = (HMap, Writers)


def under_way() -> Int:
    """How many calls have begun and not ended."""
    return writers.checked + writers.read_clear + writers.read_set + writers.mutating + writers.ending


def begin_mutation() -> None:
    """One writer more mutates."""
    writers.overlapped = any_of(writers.overlapped, writers.mutating > 0)
    writers.mutating = writers.mutating + 1


# ------------------------------------------------------------------------------------------------ the steps


@action
def initial() -> None:
    """The flag is clear, and nobody writes."""
    h.hash_writing = False
    h.fatal = False
    writers.checked = 0
    writers.read_clear = 0
    writers.read_set = 0
    writers.mutating = 0
    writers.ending = 0
    writers.met = False
    writers.overlapped = False


@action
def check() -> None:
    """h.flags&hashWriting != 0: no"""
    when(~h.fatal, ~h.hash_writing)
    writers.met = any_of(writers.met, under_way() > 0)
    writers.checked = writers.checked + 1


@action
def check_fatal() -> None:
    """h.flags&hashWriting != 0: fatal("concurrent map writes"), and nothing happens afterwards"""
    when(~h.fatal, h.hash_writing)
    claim("who finds the flag set before its mutation is not alone", under_way() > 0)
    h.fatal = True


@action
def toggle_read() -> None:
    """h.flags ^= hashWriting: the flag is read"""
    when(~h.fatal, writers.checked > 0)
    writers.checked = writers.checked - 1
    writers.read_clear = writers.read_clear + count(~h.hash_writing)
    writers.read_set = writers.read_set + count(h.hash_writing)


@action
def toggle_to_set() -> None:
    """h.flags ^= hashWriting: the flag, clear when it was read, is written as set; the mutation begins"""
    when(~h.fatal, writers.read_clear > 0)
    writers.read_clear = writers.read_clear - 1
    h.hash_writing = True
    begin_mutation()


@action
def toggle_to_clear() -> None:
    """h.flags ^= hashWriting: the flag, set when it was read, is written as clear; the mutation begins"""
    when(~h.fatal, writers.read_set > 0)
    writers.read_set = writers.read_set - 1
    h.hash_writing = False
    begin_mutation()


@action
def end() -> None:
    """The mutation is over; h.flags&hashWriting == 0: no"""
    when(~h.fatal, writers.mutating > 0, h.hash_writing)
    writers.mutating = writers.mutating - 1
    writers.ending = writers.ending + 1


@action
def end_fatal() -> None:
    """h.flags&hashWriting == 0: fatal("concurrent map writes"), and nothing happens afterwards"""
    when(~h.fatal, writers.mutating > 0, ~h.hash_writing)
    claim("who finds the flag clear after its mutation has met another call", writers.met)
    h.fatal = True


@action
def clear() -> None:
    """h.flags &^= hashWriting; what is read before the write decides nothing of this bit; the call ends"""
    when(~h.fatal, writers.ending > 0)
    h.hash_writing = False
    writers.met = all_of(writers.met, under_way() > 1)
    writers.ending = writers.ending - 1


# ------------------------------------------------------------------------------------------------ the invariant


@invariant("numbers of writers are not negative")
def not_negative() -> Bool:
    """There is no place with fewer than no writers."""
    places = (writers.checked, writers.read_clear, writers.read_set, writers.mutating, writers.ending)
    return all_of(*(place >= 0 for place in places))


@invariant("a flag that is set is somebody's")
def set_by_a_writer() -> Bool:
    """The flag is set only while somebody mutates or is about to clear it."""
    return implies(h.hash_writing, writers.mutating + writers.ending > 0)


@invariant("a lone writer finds the flag as it left it")
def alone() -> Bool:
    """As long as no two calls have met, one is under way at most, and the flag is set from its toggle to its clear."""
    return implies(
        ~writers.met,
        under_way() <= 1,
        writers.read_set == 0,
        h.hash_writing == (writers.mutating + writers.ending > 0),
    )


@lemma("at rest the flag is clear")
def clear_at_rest() -> Bool:
    """What a misuse leaves behind accuses nobody later: when no call is under way the flag is clear, and none has met."""
    return implies(under_way() == 0, ~h.hash_writing)


HASH_WRITING = system(
    "hashWriting",
    scope="all writers, counted at each place; sequentially consistent",
    state=STATE,
    initial=initial,
    actions=actions_in(globals()),
    invariants=(not_negative, set_by_a_writer, alone),
    lemmas=(clear_at_rest,),
)
