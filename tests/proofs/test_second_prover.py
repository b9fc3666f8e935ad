"""cvc5 beside Z3: it confirms what holds, notices what does not, and no answer is no pass."""

from dataclasses import replace

import pytest
import z3

pytest.importorskip("cvc5")

from mapproof.proofs.language import (
    Bool,
    Field,
    Globals,
    Int,
    Sort,
    action,
    claim,
    forall,
    implies,
    invariant,
    system,
    when,
)
from mapproof.proofs.solving import second_prover
from mapproof.proofs.solving.queries import Obligation, Queries, all_obligations
from mapproof.proofs.solving.second_prover import FINITE_MODELS, Recheck, Reply, ask, recheck, script_of
from mapproof.spec.evidence import Verdict


class Door(Sort):
    open = Field(Bool)


class House(Globals, prefix="house"):
    empty = Field(Bool)
    visits = Field(Int)


house = House()


@action
def initial() -> None:
    """nobody has come yet"""
    house.empty = True
    house.visits = 0


@action
def come(d: Door) -> None:
    """through a door that is open"""
    when(d.open)
    claim("visits are counted", house.visits >= 0)
    house.empty = False
    house.visits = house.visits + 1


@action
def shut(d: Door) -> None:
    """the wind"""
    d.open = False


@invariant("visits are not negative")
def not_negative() -> Bool:
    """The number of visits is at least 0."""
    return house.visits >= 0


@invariant("an empty house had no visits")
def unvisited() -> Bool:
    """As long as it is empty nobody has come."""
    return implies(house.empty, house.visits == 0)


@invariant("all doors are alike")
def alike() -> Bool:
    """Every two doors are both open or both shut: false as soon as one is shut."""
    return forall(Door, Door, lambda d, e: d.open == e.open)


def made(*statements):
    return system(
        "house, one",
        scope="",
        state=(Door, House),
        initial=initial,
        actions=(come, shut),
        invariants=statements,
    )


RIGHT = made(not_negative, unvisited)
WRONG = made(not_negative, unvisited, alike)


def test_what_holds_is_confirmed_and_its_proofs_are_checked():
    found = recheck(RIGHT, timeout=60, proofs=3)
    assert found.verdict is Verdict.PROVED
    assert list(found.confirmed) == all_obligations(RIGHT)
    assert (found.proofs, found.unproved) == (3, ())


def test_what_does_not_hold_is_not_confirmed():
    found = recheck(WRONG, timeout=60, proofs=0)
    assert found.verdict is not Verdict.PROVED
    open_ends = {*found.contradicted, *found.undecided}
    assert open_ends == {Obligation("initial", "alike"), Obligation("shut", "alike")}


def test_a_contradiction_is_noticed():
    """cvc5 finds a state where an obligation does not hold: with the goal negated, and for a wrong system."""
    (query,) = Queries(WRONG).of("shut", {"alike"})
    script = script_of([query])
    assert ask(script, timeout=20, options=FINITE_MODELS) == (Reply.SAT,)
    assert Recheck((), (Obligation("shut", "alike"),), ()).verdict is Verdict.FAILED
    (right,) = Queries(RIGHT).of("come", {"not_negative"})
    assert ask(script_of([right]), timeout=20) == (Reply.UNSAT,)
    negated = replace(right, goal=z3.Not(right.goal))
    assert ask(script_of([negated]), timeout=20, options=FINITE_MODELS) == (Reply.SAT,)


def test_no_answer_is_no_pass(monkeypatch):
    assert recheck(RIGHT, timeout=0.0).verdict is Verdict.UNDECIDED
    monkeypatch.setattr(
        second_prover, "ask", lambda script, **rest: (Reply.UNKNOWN,) * len(script.statements)
    )
    found = recheck(RIGHT, timeout=60, proofs=2)
    assert found.verdict is Verdict.UNDECIDED
    assert (found.confirmed, found.proofs, len(found.unproved)) == ((), 0, 2)
    assert list(found.undecided) == all_obligations(RIGHT)


def test_a_proof_that_cannot_be_checked_is_no_pass():
    assert Recheck((Obligation("a", "b"),), (), (), 0, (Obligation("a", "b"),)).verdict is Verdict.UNDECIDED


def test_each_statement_of_a_file_has_its_own_answer():
    """One that does not hold takes nothing from the others, whichever comes first."""
    queries = Queries(WRONG).of("shut")
    for order in (queries, queries[::-1]):
        replies = dict(zip([q.statement for q in order], ask(script_of(order), timeout=20), strict=True))
        assert replies.pop("alike") is not Reply.UNSAT
        assert set(replies.values()) == {Reply.UNSAT}


def test_the_files_say_what_they_ask(tmp_path):
    recheck(RIGHT, timeout=60, proofs=0, directory=tmp_path / "new" / "smt")
    files = sorted(file.name for file in (tmp_path / "new" / "smt").iterdir())
    assert files == ["house_one-come.smt2", "house_one-initial.smt2", "house_one-shut.smt2"]
    text = (tmp_path / "new" / "smt" / "house_one-come.smt2").read_text()
    assert text.splitlines()[:6] == [
        "; system: house, one",
        "; action: come    through a door that is open",
        "; statement: visits are counted",
        "; statement: not_negative",
        "; statement: unvisited",
        "; expected for each statement: unsat, which says that it holds",
    ]
    assert text.count("(check-sat-assuming") == 3
    assert "set-info" not in text
