"""A chapter small enough to be seen through, with every kind of statement and of mutant: a gate for one guest."""

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant
from mapproof.proofs.language import (
    Bool,
    Field,
    Globals,
    Int,
    Sort,
    action,
    after,
    any_of,
    claim,
    everywhere,
    forall,
    implies,
    invariant,
    lemma,
    step_property,
    system,
    when,
)


class Guest(Sort):
    inside = Field(Bool)


class Gate(Globals, prefix="gate"):
    shut = Field(Bool)
    entries = Field(Int)


gate = Gate()


@action
def initial() -> None:
    """nobody is inside"""
    everywhere(Guest.inside, lambda g: False)
    gate.shut = False
    gate.entries = 0


@action
def enter(g: Guest) -> None:
    """through the gate, which shuts"""
    when(~gate.shut)
    claim("nobody is inside at the door", forall(Guest, lambda other: ~other.inside))
    g.inside = True
    gate.shut = True
    gate.entries = gate.entries + 1


@action
def leave(g: Guest) -> None:
    """and the gate opens"""
    when(g.inside)
    g.inside = False
    gate.shut = False


@action(dead="nobody is inside a gate that is open")
def climb(g: Guest) -> None:
    """over the gate"""
    when(g.inside, ~gate.shut)


@invariant("at most one is inside")
def exclusion() -> Bool:
    """Two who are inside are the same."""
    return forall(Guest, Guest, lambda g, h: implies(g.inside & h.inside, g == h))


@invariant("the gate is shut behind whoever is inside")
def shut_behind() -> Bool:
    """The gate is shut when somebody is inside."""
    return forall(Guest, lambda g: implies(g.inside, gate.shut))


@lemma("an open gate has nobody behind it")
def open_is_empty() -> Bool:
    """While the gate is open nobody is inside."""
    return implies(~gate.shut, forall(Guest, lambda g: ~g.inside))


@step_property("entries are never taken back")
def entries_grow() -> Bool:
    """The number of entries does not fall."""
    return gate.entries <= after(gate.entries)


GATE = system(
    "gate",
    scope="all guests",
    state=(Guest, Gate),
    initial=initial,
    actions=(enter, leave, climb),
    invariants=(exclusion, shut_behind),
    lemmas=(open_is_empty,),
    step_properties=(entries_grow,),
)
BOUND = Bound({"Guest": 2}, {"enter": 2})


@action(name="enter")
def _enter_anyway(g: Guest) -> None:
    """over the gate"""
    claim("nobody is inside at the door", forall(Guest, lambda other: ~other.inside))
    g.inside = True
    gate.shut = True


@action(name="leave")
def _leave_unseen(g: Guest) -> None:
    """and the entry is forgotten"""
    when(g.inside)
    g.inside = False
    gate.shut = False
    gate.entries = gate.entries - 1


@action(name="leave")
def _leave_carefully(g: Guest) -> None:
    """and the gate, which is shut, opens"""
    when(g.inside, gate.shut)
    g.inside = False
    gate.shut = False


@action(name="enter")
def _enter_in_negative_numbers(g: Guest) -> None:
    """or if there were less than no entries, which never is"""
    when(any_of(~gate.shut, gate.entries < 0))
    g.inside = True
    gate.shut = True
    gate.entries = gate.entries + 1


ANYWAY = Mutant("enter anyway", GATE, (_enter_anyway,), exclusion, Fault.WRONG_ANSWER, BOUND)
UNSEEN = Mutant("leave unseen", GATE, (_leave_unseen,), entries_grow, Fault.BROKEN_STATE, BOUND)
CAREFUL = Mutant("leave carefully", GATE, (_leave_carefully,), None, Fault.EQUIVALENT, BOUND)
NEGATIVE = Mutant("enter below zero", GATE, (_enter_in_negative_numbers,), None, Fault.EQUIVALENT, BOUND)
SURVIVES = Mutant("leave as ever", GATE, (leave,), exclusion, Fault.BROKEN_STATE, BOUND)
NOT_AS_SAID = Mutant("leave unseen, misread", GATE, (_leave_unseen,), exclusion, Fault.BROKEN_STATE, BOUND)
NOT_ALIKE = Mutant("enter anyway, as good", GATE, (_enter_anyway,), None, Fault.EQUIVALENT, BOUND)
CHAPTER = Chapter(GATE, (ANYWAY, UNSEEN, CAREFUL, NEGATIVE), (BOUND,))
