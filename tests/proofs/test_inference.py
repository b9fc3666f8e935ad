"""Inference: an invariant is found, proved, and readable; wrong systems get a run; the rest is told in one line."""

import pytest
import z3

from mapproof.proofs.solving import inference
from mapproof.proofs.solving.counterexamples import Disagreement
from mapproof.proofs.solving.inference import infer
from mapproof.proofs.solving.obligations import prove
from mapproof.proofs.solving.readback import Reader
from mapproof.proofs.systems.promotion_of_one_key import ONE_KEY, Content, answers, key, m
from mapproof.proofs.systems.promotion_of_one_key_mutants import MUTANTS
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.systems.sync_map.invariant import contents
from mapproof.proofs.terms import Bool, Field, Globals, Int, ModelError, all_of, claim, implies, when
from mapproof.proofs.transition_system import action, invariant, system
from mapproof.spec.evidence import Verdict

NO_HURRY = 200.0
QUICK = {  # Spacer takes two seconds or three for each of the others: `soak_inference.py`
    "promotion leaves read amended",
    "promotion drops dirty and keeps read",
    "read is amended before all is copied",
    "dirty is made again while there is one",
    "the first new key does not amend read",
    "the copy takes deleted entries along",
}


@pytest.fixture(scope="module")
def found():
    return infer(ONE_KEY, answers, timeout=NO_HURRY)


def test_our_invariant_of_one_key_is_inductive():
    proof = prove(ONE_KEY, timeout=NO_HURRY)
    assert proof.verdict is Verdict.PROVED


def test_an_invariant_of_one_key_is_found_and_proved_by_both_provers(found):
    assert found.verdict is Verdict.PROVED
    assert found.certified_by == ("Z3", "cvc5")
    assert any("EXPUNGED" in clause for clause in found.clauses)  # which clauses varies from run to run
    assert all("key." in clause and " implies " in clause for clause in found.clauses)


def test_what_is_found_borrows_nothing_from_ours_and_the_statement_alone_is_not_enough(found):
    alone = ONE_KEY.with_invariants("alone", found.invariant)
    assert prove(alone, timeout=NO_HURRY).verdict is Verdict.PROVED  # the claim of a load included
    assert prove(ONE_KEY.with_invariants("bare", (answers,)), timeout=NO_HURRY).verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    "mutant", [mutant for mutant in MUTANTS if mutant.name in QUICK], ids=lambda mutant: mutant.name
)
def test_a_mutant_gets_a_run_or_is_as_good(mutant):
    found = infer(mutant.system, answers, timeout=NO_HURRY)
    if mutant.breaks is None:
        assert found.verdict is Verdict.PROVED
    else:
        assert found.verdict is Verdict.REFUTED
        assert found.run
        assert not found.clauses


def test_the_quick_ones_are_mutants():
    assert {mutant.name for mutant in MUTANTS} >= QUICK


def test_a_run_is_printed_in_the_words_of_the_code(monkeypatch):
    from mapproof.proofs.systems import promotion_of_one_key

    late = next(mutant for mutant in MUTANTS if mutant.name == "the first new key does not amend read")
    monkeypatch.setattr(promotion_of_one_key, "ONE_KEY", late.system)
    found = inference.check(timeout=NO_HURRY)
    assert found.verdict is Verdict.REFUTED
    assert [line.split()[0] for line in found.text.splitlines()] == ["make_dirty", "amend_for_this_key"]
    assert "m.copying = True" in found.text


def test_what_is_found_is_told_beside_ours(found):
    lines = inference.beside_ours(ONE_KEY, found, timeout=NO_HURRY)
    assert len(lines) == len(found.clauses) + len(ONE_KEY.invariants)
    assert f"ours, implied by what was found: {answers.title}" in lines
    nothing = inference.beside_ours(ONE_KEY, inference.Inferred(Verdict.PROVED), timeout=NO_HURRY)
    assert {line.partition(" by ")[0] for line in nothing} == {"ours, not implied"}
    (first, *_) = inference.beside_ours(ONE_KEY, found, timeout=0.0)
    assert first.startswith("found, ")


def test_without_time_nothing_is_claimed():
    assert infer(ONE_KEY, answers, timeout=0.0).verdict is Verdict.UNDECIDED
    assert infer(ONE_KEY, answers, timeout=0.02).verdict is Verdict.UNDECIDED
    assert inference.check(timeout=0.0).verdict is Verdict.UNDECIDED


# ------------------------------------------------------------------------------------------------ small systems


class Counters(Globals, prefix="c"):
    left = Field(Int)
    right = Field(Int)
    moving = Field(Bool)


c = Counters()


@action
def initial():
    c.left = 10
    c.right = 0
    c.moving = False


@action
def take():
    when(~c.moving, c.left > 0)
    c.left = c.left - 1
    c.moving = True


@action
def give():
    when(c.moving)
    c.right = c.right + 1
    c.moving = False
    claim("what is given was taken", c.left <= 9)


@invariant("the right counter stays within bounds")
def bounded():
    """Never more than ten."""
    return c.right <= 10


def transfers(*actions, scope="all", first=initial):
    return system("transfers", scope=scope, state=(Counters,), initial=first, actions=actions, invariants=())


def test_arithmetic_is_read_back():
    found = infer(transfers(take, give), bounded, timeout=NO_HURRY)
    assert (found.verdict, found.certified_by) == (Verdict.PROVED, ("Z3", "cvc5"))
    assert any("c.left" in clause for clause in found.clauses)


def test_a_claim_that_is_broken_is_a_run_too():
    @action
    def give_at_once():
        c.right = c.right + 1
        claim("what is given was taken", all_of(c.moving))

    found = infer(transfers(take, give_at_once), bounded, timeout=NO_HURRY)
    assert found.verdict is Verdict.REFUTED


def test_a_run_that_python_does_not_follow_is_noticed(monkeypatch):
    @action(name="give")
    def give_unasked():
        c.right = c.right + 1

    wrong = transfers(take, give_unasked)
    assert len(infer(wrong, bounded, timeout=NO_HURRY).run) == 11
    for other_run in (["give"], ["take", "take"]):
        monkeypatch.setattr(inference._Rules, "trace", lambda rules, other_run=other_run: other_run)
        with pytest.raises(Disagreement):
            infer(wrong, bounded, timeout=NO_HURRY)


def test_an_answer_that_is_no_invariant_is_not_proved(monkeypatch):
    monkeypatch.setattr(inference._Rules, "clauses", lambda rules: [])
    assert infer(ONE_KEY, answers, timeout=NO_HURRY).verdict is Verdict.UNDECIDED


def test_a_system_that_is_more_than_variables_is_one_line():
    with pytest.raises(ModelError, match=r"^sync\.Map: .* is no plain variable"):
        infer(SYNC_MAP, contents, timeout=1)

    @action
    def add(n: Int):
        c.left = c.left + n

    with pytest.raises(ModelError, match="add has parameters"):
        infer(transfers(add), bounded, timeout=1)

    @action(name="initial")
    def half():
        c.left = 0

    with pytest.raises(ModelError, match=r"Counters\.right has no initial value"):
        infer(transfers(take, first=half), bounded, timeout=1)


def test_a_clause_is_told_with_its_premise_first():
    reader = Reader(ONE_KEY)
    dirty, copied = z3.Bools("Key.in_dirty Key.copied")

    def told(clause):
        return inference._invariant(1, reader.node(clause)).title

    assert told(z3.Or(z3.Not(dirty), copied)) == "key.in_dirty implies key.copied"
    assert told(z3.Or(z3.Not(dirty), z3.Not(copied))) == "not (key.in_dirty and key.copied)"
    assert told(z3.Or(dirty, copied)) == "key.in_dirty or key.copied"
    misses = z3.Int("Map.misses")
    assert told(misses * 2 >= 3 - misses) == "3 - m.misses <= m.misses * 2"
    with pytest.raises(ModelError, match="cannot be read back"):
        reader.node(misses % 2)
    with pytest.raises(ModelError, match="is no variable"):
        reader.node(z3.Bool("nobody"))
    assert implies(key.in_dirty, m.amended, key.p == Content.NIL).node
