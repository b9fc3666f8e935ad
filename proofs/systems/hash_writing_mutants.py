"""The flag of Go's map with a step wrong, and two claims about the right one that are refuted.

The idea: a refuted claim is a mutant too, of which the wrong line is the claim. `UNNOTICED` is Go's own protocol with
the claim that writers who mutated at once are accused; its shortest run has two writers. `ATOMIC_TOGGLE` is a
repair that one might think of; its shortest run has three.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant
from mapproof.proofs.systems.hash_writing import (
    HASH_WRITING,
    alone,
    begin_mutation,
    h,
    set_by_a_writer,
    under_way,
    writers,
)
from mapproof.proofs.systems.hash_writing import end as end_of_go
from mapproof.proofs.systems.hash_writing_variant import ATOMIC_END, QUIET, call_ends, one_is_left
from mapproof.proofs.terms import all_of, any_of, claim, when
from mapproof.proofs.transition_system import action


@action(name="clear")
def _clear_of_go() -> None:
    """h.flags &^= hashWriting; the call ends"""
    call_ends()
    h.hash_writing = False


@action(name="toggle_read")
def _toggle_at_once() -> None:
    """h.flags ^= hashWriting in one step; the mutation begins"""
    when(~h.fatal, writers.checked > 0)
    begin_mutation()
    h.hash_writing = ~h.hash_writing
    writers.checked = writers.checked - 1


@action(name="clear")
def _clear_forgotten() -> None:
    """h.flags &^= hashWriting is missing"""
    when(~h.fatal, writers.ending > 0)
    writers.met = all_of(writers.met, under_way() > 1)
    writers.ending = writers.ending - 1


@action(name="clear")
def _toggled_at_the_end() -> None:
    """h.flags ^= hashWriting in place of h.flags &^= hashWriting"""
    when(~h.fatal, writers.ending > 0)
    h.hash_writing = ~h.hash_writing
    writers.met = all_of(writers.met, under_way() > 1)
    writers.ending = writers.ending - 1


@action(name="check")
def _set_at_the_check() -> None:
    """the flag is set as soon as it was found clear, and toggled later all the same"""
    when(~h.fatal, ~h.hash_writing)
    h.hash_writing = True
    writers.met = any_of(writers.met, under_way() > 0)
    writers.checked = writers.checked + 1


@action(name="end_fatal")
def _fatal_if_set() -> None:
    """h.flags&hashWriting != 0 after the mutation: fatal, where == 0 was meant"""
    when(~h.fatal, writers.mutating > 0, h.hash_writing)
    claim("who finds the flag clear after its mutation has met another call", writers.met)
    h.fatal = True


@action(name="end")
def _end_unchecked() -> None:
    """the mutation is over; the flag is cleared, whatever it was"""
    when(~h.fatal, writers.mutating > 0)
    h.hash_writing = False
    writers.mutating = writers.mutating - 1
    writers.ending = writers.ending + 1


@action(name="end_fatal")
def _recovered() -> None:
    """recover() catches the panic, and the program goes on"""
    when(~h.fatal, writers.mutating > 0, ~h.hash_writing)
    claim("who finds the flag clear after its mutation has met another call", writers.met)
    writers.mutating = writers.mutating - 1
    writers.ending = writers.ending + 1


@action(name="check")
def _no_check() -> None:
    """the flag is not looked at before the mutation"""
    when(~h.fatal)
    writers.met = any_of(writers.met, under_way() > 0)
    writers.checked = writers.checked + 1


@action(name="toggle_to_clear")
def _set_in_place_of_toggle() -> None:
    """h.flags |= hashWriting in place of h.flags ^= hashWriting"""
    when(~h.fatal, writers.read_set > 0)
    writers.read_set = writers.read_set - 1
    h.hash_writing = True
    begin_mutation()


ONE, TWO, THREE = (Bound({}, {"check": calls}) for calls in (1, 2, 3))

UNNOTICED = Mutant(
    "writers that mutated at once are accused, it is said",
    HASH_WRITING,
    (_clear_of_go,),
    QUIET,
    Fault.WRONG_ANSWER,
    TWO,
)
ATOMIC_TOGGLE = Mutant(
    "they are accused if the toggle is atomic, it is said",
    HASH_WRITING,
    (_toggle_at_once, _clear_of_go),
    QUIET,
    Fault.WRONG_ANSWER,
    THREE,
)
REFUTED = (UNNOTICED, ATOMIC_TOGGLE)

CLEAR_FORGOTTEN = Mutant(
    "the flag is not cleared", HASH_WRITING, (_clear_forgotten,), set_by_a_writer, Fault.WRONG_ANSWER, ONE
)
TOGGLED_AT_THE_END = Mutant(
    "the flag is toggled at the end",
    HASH_WRITING,
    (_toggled_at_the_end,),
    set_by_a_writer,
    Fault.WRONG_ANSWER,
    TWO,
)
SET_AT_THE_CHECK = Mutant(
    "the flag is set twice", HASH_WRITING, (_set_at_the_check,), alone, Fault.WRONG_ANSWER, ONE
)
FATAL_IF_SET = Mutant(
    "the end asks the opposite",
    HASH_WRITING,
    (_fatal_if_set,),
    "who finds the flag clear after its mutation has met another call",
    Fault.WRONG_ANSWER,
    ONE,
)
MUTANTS = (CLEAR_FORGOTTEN, TOGGLED_AT_THE_END, SET_AT_THE_CHECK, FATAL_IF_SET)

END_OF_GO = Mutant(
    "the flag is checked and then cleared, as in Go",
    ATOMIC_END,
    (end_of_go, _clear_of_go),
    one_is_left,
    Fault.WRONG_ANSWER,
    TWO,
)
END_UNCHECKED = Mutant(
    "the end does not check", ATOMIC_END, (_end_unchecked,), one_is_left, Fault.WRONG_ANSWER, TWO
)
RECOVERED = Mutant(
    "the accusation is recovered", ATOMIC_END, (_recovered,), one_is_left, Fault.WRONG_ANSWER, TWO
)
NO_CHECK = Mutant(
    "the flag is not looked at before the mutation", ATOMIC_END, (_no_check,), None, Fault.EQUIVALENT, TWO
)
SET_IN_PLACE_OF_TOGGLE = Mutant(
    "the flag is set, not toggled", ATOMIC_END, (_set_in_place_of_toggle,), None, Fault.EQUIVALENT, THREE
)
VARIANT_MUTANTS = (END_OF_GO, END_UNCHECKED, RECOVERED, NO_CHECK, SET_IN_PLACE_OF_TOGGLE)

CHAPTER = Chapter(HASH_WRITING, MUTANTS, (THREE,), REFUTED)
VARIANT_CHAPTER = Chapter(ATOMIC_END, VARIANT_MUTANTS, (THREE,))
