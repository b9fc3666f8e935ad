"""The language refuses what would be unsound: truth of a term, misspelt fields, mixed sorts, circles."""

import pytest

from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Field,
    Globals,
    If,
    Int,
    ModelError,
    Sort,
    Table,
    TermUsedAsTruth,
    all_of,
    any_of,
    everywhere,
    forall,
    implies,
    when,
)
from mapproof.proofs.transition_system import action, invariant, system


class Colour(Enumeration):
    RED: "Colour"
    BLUE: "Colour"


class Ball(Sort):
    colour = Field(Colour)
    weight = Field(Int)


class Box(Sort):
    ball = Field(Ball)
    holds = Table(Ball, Bool)


class World(Globals, prefix="w"):
    box = Field(Box)
    full = Field(Bool)


w = World()


@pytest.mark.parametrize(
    "as_truth",
    [
        lambda: bool(w.full),
        lambda: w.box.ball == w.box.ball and True,
        lambda: not w.full,
        lambda: 1 if w.box.ball.colour == Colour.RED else 2,
        lambda: w.box.ball in (w.box.ball,),
        lambda: w.box.ball in {1: 2},
        lambda: 0 < w.box.ball.weight < 3,
    ],
)
def test_a_term_has_no_truth_value(as_truth):
    with pytest.raises(TermUsedAsTruth):
        as_truth()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: w.box == w.box.ball,
        lambda: w.full == 1,
        lambda: w.box.ball.weight + True,
        lambda: If(w.full, w.box, w.box.ball),
        lambda: w.box.holds[w.box],
        lambda: all_of(w.box.ball),
        lambda: forall(Ball, lambda b: b.colour),
        lambda: implies(w.box.ball.colour is Colour.RED, w.full),
        lambda: any_of(True),
        lambda: If(True, w.box, w.box),
    ],
)
def test_sorts_do_not_mix(wrong):
    with pytest.raises(ModelError, match="expected a"):
        wrong()


def test_a_misspelt_field_cannot_be_assigned():
    with pytest.raises(ModelError, match="Ball has no field wieght"):

        @action
        def put(b: Ball) -> None:
            b.wieght = 1

    with pytest.raises(ModelError, match="World has no field fuII"):

        @action
        def fill() -> None:
            w.fuII = True


def test_nothing_is_assigned_or_demanded_outside_an_action():
    for outside in (
        lambda: when(w.full),
        lambda: setattr(w, "full", True),
        lambda: everywhere(Ball.weight, lambda b: 0),
    ):
        with pytest.raises(ModelError, match="outside an action"):
            outside()


def test_a_table_is_assigned_cell_by_cell():
    with pytest.raises(ModelError, match=r"assign one cell of Box\.holds"):

        @action
        def put(x: Box) -> None:
            x.holds = True


def test_a_field_is_not_read_after_its_write():
    """So that reading the lines in order and doing them all at once mean the same."""
    with pytest.raises(ModelError, match=r"Ball\.weight is read after it was written"):

        @action
        def twice(b: Ball) -> None:
            b.weight = b.weight + 1
            b.weight = b.weight + 1


def test_fields_may_not_run_in_a_circle():
    class Egg(Sort):
        warm = Field(Bool)

    class Hen(Sort):
        egg = Field(Egg)

    class Farm(Globals, prefix="f"):
        first = Table(Egg, Hen)

    @action
    def initial() -> None:
        pass

    with pytest.raises(ModelError, match="circle of sorts"):
        system("farm", scope="", state=(Egg, Hen, Farm), initial=initial, actions=(), invariants=())


def test_a_sort_must_be_part_of_the_state():
    @action
    def initial() -> None:
        pass

    with pytest.raises(ModelError, match="uses Ball, which is not part of the state"):
        system("boxes", scope="", state=(Box,), initial=initial, actions=(), invariants=())


def test_no_action_hides_another():
    @action
    def initial() -> None:
        pass

    @action
    def put(b: Ball) -> None:
        b.weight = 1

    @action(name="initial")
    def other() -> None:
        pass

    for actions, name in (((put, put), "put"), ((other,), "initial")):
        with pytest.raises(ModelError, match=f"{name} is defined 2 times"):
            system("balls", scope="", state=(Ball,), initial=initial, actions=actions, invariants=())


def test_an_invariant_has_a_sentence():
    with pytest.raises(ModelError, match="has no sentence"):

        @invariant("silent")
        def silent() -> Bool:
            return w.full
