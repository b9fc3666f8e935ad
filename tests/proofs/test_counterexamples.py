"""Counterexamples of every kind of statement: small, replayed, and with the cells that decide it."""

import pytest

from mapproof.proofs.language import (
    Bool,
    Field,
    Globals,
    Int,
    Sort,
    action,
    after,
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
from mapproof.proofs.running.evaluation import Evaluation
from mapproof.proofs.solving.counterexamples import Disagreement
from mapproof.proofs.solving.obligations import prove
from mapproof.proofs.terms import ModelError
from mapproof.spec.evidence import Verdict


class Shelf(Sort):
    books = Field(Int)
    dusty = Field(Bool)


class Library(Globals, prefix="library"):
    visitors = Field(Int)


library = Library()


@action
def initial() -> None:
    """as it was found, but for the visitors"""
    library.visitors = 0


@action
def lend(s: Shelf) -> None:
    """a book goes out"""
    when(s.books > 17)
    s.books = s.books - 1
    library.visitors = library.visitors + 1


@action
def close() -> None:
    """everybody leaves"""
    library.visitors = 0


@invariant("visitors are not negative")
def visitors() -> Bool:
    """There are no less than no visitors."""
    return library.visitors >= 0


@lemma("there are few visitors")
def few() -> Bool:
    """At most two."""
    return library.visitors <= 2


@step_property("a shelf keeps its books")
def keeps() -> Bool:
    """Unless it is dusty, no shelf has less books after a step."""
    return forall(Shelf, lambda s: implies(~s.dusty, s.books <= after(s.books)))


LIBRARY = system(
    "library",
    scope="",
    state=(Shelf, Library),
    initial=initial,
    actions=(lend, close),
    invariants=(visitors,),
    lemmas=(few,),
    step_properties=(keeps,),
)


@pytest.fixture(scope="module")
def found():
    proof = prove(LIBRARY, timeout=60)
    assert proof.verdict is Verdict.REFUTED
    return {c.statement: c for c in proof.counterexamples()}


def test_a_property_of_steps_is_rendered_with_both_states(found):
    c = found["a shelf keeps its books"]
    assert (c.action, c.sentence) == ("lend", "Unless it is dusty, no shelf has less books after a step.")
    shelf = c.arguments[0][1]
    assert c.witness == (("s", shelf),)
    cells = {cell.name: (cell.before, cell.after) for cell in c.cells}
    before, later = cells[f"{shelf}.books"]
    assert later == before - 1
    assert cells[f"{shelf}.dusty"] == (False, False)


def test_a_lemma_is_refuted_by_a_state_in_which_nothing_happens(found):
    c = found["there are few visitors"]
    assert (c.action, c.sentence) == ("any state", "At most two.")
    assert c.before == c.after
    assert [cell.name for cell in c.cells] == ["library.visitors"]


def test_a_counterexample_is_small(found):
    """One shelf; three visitors are the fewest that are not few."""
    assert all(len(c.domains["Shelf"]) == 1 for c in found.values())
    assert found["there are few visitors"].before["Library.visitors"][()] in (3, 4)
    assert found["a shelf keeps its books"].before["Library.visitors"][()] < 100


def test_integers_are_brought_close_to_zero():
    @lemma("no shelf is full")
    def full() -> Bool:
        """Never 1 book."""
        return forall(Shelf, lambda s: s.books != 1)

    made = system(
        "shelves", scope="", state=(Shelf, Library), initial=initial, actions=(), invariants=(visitors,), lemmas=(full,)
    )  # fmt: skip
    (c,) = prove(made, timeout=60).counterexamples()
    values = [value for name in ("Shelf.books", "Library.visitors") for value in c.before[name].values()]
    assert set(values) <= {0, 1}


def test_a_claim_of_the_initial_condition_is_an_obligation():
    @action(name="initial")
    def boastful() -> None:
        """as it was found"""
        claim("every shelf is clean", forall(Shelf, lambda s: ~s.dusty))
        library.visitors = 0

    @action(name="initial")
    def careful() -> None:
        """as it was found"""
        claim("it is what it is", forall(Shelf, lambda s: s.dusty | ~s.dusty))
        everywhere(Shelf.dusty, lambda s: False)
        library.visitors = 0

    def made(start):
        return system(
            "l", scope="", state=(Shelf, Library), initial=start, actions=(), invariants=(visitors,)
        )

    proof = prove(made(boastful), timeout=60)
    (c,) = proof.counterexamples()
    assert (c.action, c.statement) == ("initial", "every shelf is clean")
    assert prove(made(careful), timeout=60).verdict is Verdict.PROVED


def test_a_title_that_is_a_name_is_refused():
    """One of the two would not be shown."""

    @action
    def brag() -> None:
        """nothing"""
        claim("visitors", library.visitors > 7)

    made = system(
        "l", scope="", state=(Shelf, Library), initial=initial, actions=(brag,), invariants=(visitors,)
    )
    with pytest.raises(ModelError, match="visitors is the name of a statement and the title of a claim"):
        prove(made, timeout=60)


def test_a_step_property_that_python_keeps_is_a_disagreement(monkeypatch):
    from mapproof.proofs.running.concrete import Machine

    monkeypatch.setattr(Machine, "keeps", lambda self, before, later, name: True)
    with pytest.raises(Disagreement, match="keeps keeps on plain values"):
        prove(LIBRARY, timeout=60, actions=["lend"])


def test_after_is_read_in_the_later_state_only():
    state = {"Library.visitors": {(): 1}}
    later = {"Library.visitors": {(): 5}}
    node = (library.visitors < after(library.visitors)).node
    assert Evaluation({}, state, later).value(node, {}) is True
    with pytest.raises(ModelError, match="stands outside a property of steps"):
        Evaluation({}, state).value(node, {})
