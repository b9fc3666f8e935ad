"""What a refuted obligation is classed as: each class once, on a door that people go through."""

import pytest

from mapproof.proofs.chapters import Bound, Fault, Mutant
from mapproof.proofs.running.exploration import machine_within, replayed
from mapproof.proofs.running.refutations import classify, equivalent, title_of
from mapproof.proofs.terms import (
    Bool,
    Field,
    Globals,
    Int,
    ModelError,
    Sort,
    claim,
    everywhere,
    forall,
    implies,
    when,
)
from mapproof.proofs.transition_system import action, invariant, system


class Person(Sort):
    inside = Field(Bool)


class Door(Globals, prefix="door"):
    taken = Field(Bool)
    knocks = Field(Int)


door = Door()


@action
def initial() -> None:
    """Nobody is inside"""
    everywhere(Person.inside, lambda p: False)
    door.taken = False
    door.knocks = 0


@action
def knock(p: Person) -> None:
    """A knock that is heard"""
    when(~p.inside, door.knocks < 2)
    door.knocks = door.knocks + 1


@action
def enter(p: Person) -> None:
    """In, if it is free"""
    when(~door.taken, ~p.inside)
    p.inside = True
    door.taken = True
    door.knocks = 0


@action
def leave(p: Person) -> None:
    """Out"""
    when(p.inside)
    claim("who leaves was alone", forall(Person, lambda q: implies(q.inside, q == p)))
    p.inside = False
    door.taken = False


@invariant("taken when somebody is inside")
def taken() -> Bool:
    """The door is taken when somebody is inside."""
    return forall(Person, lambda p: implies(p.inside, door.taken))


@invariant("one at a time")
def alone() -> Bool:
    """Two that are inside are one."""
    return forall(Person, Person, lambda p, q: implies(p.inside & q.inside, p == q))


@invariant("few knocks", performance=True)
def few_knocks() -> Bool:
    """Nobody knocks more than twice."""
    return door.knocks <= 2


@invariant("nobody knocks on an open door")
def too_strong() -> Bool:
    """Knocks are 0 or more, and not 7."""
    return door.knocks != 7


DOOR = system(
    "door",
    scope="all people",
    state=(Person, Door),
    initial=initial,
    actions=(knock, enter, leave),
    invariants=(taken, alone, few_knocks, too_strong),
)
BOUND = Bound({"Person": 2}, {"enter": 3, "knock": 4})


@action(name="enter")
def enter_taken(p: Person) -> None:
    """In, and nobody asks"""
    when(~p.inside)
    p.inside = True
    door.taken = True


@action(name="enter")
def enter_silently(p: Person) -> None:
    """In, and the door stays free; but only the first may"""
    when(~p.inside, forall(Person, lambda q: ~q.inside))
    p.inside = True
    door.knocks = 0


@action(name="knock")
def knock_often(p: Person) -> None:
    """A knock too many"""
    when(~p.inside, door.knocks < 3)
    door.knocks = door.knocks + 1


@action(name="knock")
def knock_again(p: Person) -> None:
    """The same in other words"""
    when(~p.inside, ~(door.knocks >= 2))
    door.knocks = door.knocks + 1


def mutant(replaced, breaks, fault):
    return Mutant("a mutant", DOOR, (replaced,), breaks, fault, BOUND)


WRONG_ANSWER = mutant(enter_taken, alone, Fault.WRONG_ANSWER)
BROKEN_STATE = mutant(enter_silently, taken, Fault.BROKEN_STATE)
PERFORMANCE = mutant(knock_often, few_knocks, Fault.PERFORMANCE)
EQUIVALENT = mutant(knock_again, None, Fault.EQUIVALENT)


@pytest.mark.parametrize(
    ("made", "broken", "steps"),
    [
        (WRONG_ANSWER, "who leaves was alone", 3),
        (BROKEN_STATE, "taken", 1),
        (PERFORMANCE, "few_knocks", 3),
    ],
    ids=["wrong answer", "broken state", "performance"],
)
def test_the_class_and_the_shortest_run_to_it(made, broken, steps):
    found = classify(made, made.statement, seconds=20)
    assert found.fault is made.fault
    assert broken in found.broken
    assert len(found.trace) == steps
    machine = machine_within(made.system, BOUND)
    assert len(list(replayed(machine, found.trace))) == steps
    lines = str(found).splitlines()
    assert lines[0] == made.fault.value
    assert f"breaks  {title_of(made.system, broken)}" in lines
    assert lines[-steps - 1] == f"shortest run that breaks it, {steps} steps:"


def test_what_nothing_reaches_is_too_strong():
    """That knocks are not 7 is no inductive statement alone, and no run breaks it."""
    found = classify(DOOR, "too_strong", BOUND, seconds=20)
    assert found.fault is Fault.TOO_STRONG
    assert found.exhausted
    assert not found.trace
    assert str(found).splitlines() == [
        Fault.TOO_STRONG.value,
        "nothing is broken in any state that was reached",
        f"run     all {found.states} states, up to renaming, from one initial state; {BOUND}",
    ]


def test_a_budget_that_ends_is_no_class():
    found = classify(DOOR, "too_strong", BOUND, seconds=0.0)
    assert found.fault is None
    assert not found.exhausted
    assert str(found).splitlines()[0] == "not classed: the search was not finished"
    assert equivalent(EQUIVALENT, seconds=0.0).fault is None


def test_a_broken_state_before_the_end_is_shown_but_not_classed():
    """What is worse may come later."""
    found = classify(BROKEN_STATE, "taken", seconds=20, most_states=3)
    assert found.fault is None
    assert found.broken == ("taken",)
    assert len(found.trace) == 1


def test_equivalent_means_that_nothing_breaks():
    assert equivalent(EQUIVALENT, seconds=20).fault is Fault.EQUIVALENT
    for other in (WRONG_ANSWER, BROKEN_STATE, PERFORMANCE):
        assert equivalent(other, seconds=20).fault is other.fault


def test_without_a_bound_larger_and_larger_parts_are_run():
    found = classify(DOOR, "too_strong", seconds=20)
    assert found.fault is Fault.TOO_STRONG
    assert found.bound == Bound({"Person": 3})
    assert classify(WRONG_ANSWER.system, "alone", seconds=20).fault is Fault.WRONG_ANSWER


def test_a_bound_that_does_not_fit_is_refused():
    with pytest.raises(ModelError, match="the bound needs 1 Person or more"):
        classify(DOOR, "alone", Bound({}), seconds=1)
