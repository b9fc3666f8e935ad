"""Hashes and shards: each statement comes out as it was said to, wrong variants are refuted, witnesses are run."""

import subprocess
import sys
from dataclasses import replace

import cvc5
import pytest
import z3

from mapproof.impl.hashing import shard_of, shift_hash, shift_hash_32, shift_hash_64
from mapproof.proofs import hashing
from mapproof.proofs.hashing import fnv, java, routing
from mapproof.proofs.hashing import shift_hash as shift
from mapproof.proofs.hashing.lemma import Byte, Half, Lemma, Sequent, Word, compare, lemma
from mapproof.proofs.solving.counterexamples import Disagreement
from mapproof.spec.evidence import Verdict

LEMMAS = tuple(hashing.LEMMAS.values())
TRUE = tuple(one for one in LEMMAS if one.holds)
FALSE = tuple(one for one in LEMMAS if not one.holds)


def named(lemma):
    return lemma.title


@pytest.mark.parametrize("lemma", TRUE, ids=named)
def test_a_true_statement_is_proved(lemma):
    assert hashing.check(lemma, timeout=60).verdict is Verdict.PROVED


@pytest.mark.parametrize("lemma", TRUE, ids=named)
def test_a_true_statement_is_not_vacuous(lemma):
    def negated(**vectors):
        said = lemma.statement(**vectors)
        return Sequent(said.assumptions, z3.Not(said.goal))

    negated.__annotations__ = lemma.statement.__annotations__
    negated.__wrapped__ = lemma.statement  # its annotations are looked up where it was written
    found = hashing.check(replace(lemma, statement=negated), timeout=60)
    assert found.verdict is Verdict.REFUTED


@pytest.mark.parametrize("lemma", FALSE, ids=named)
def test_the_witness_against_a_false_statement_is_run(lemma):
    found = hashing.check(lemma, timeout=60)
    assert found.verdict is Verdict.EXHAUSTED
    assert found.scope.startswith("one witness, run: ")


def test_the_witnesses_that_are_told():
    told = {lemma.name: hashing.check(lemma, timeout=60).scope.partition("run: ")[2] for lemma in FALSE}
    assert told[hashing.DOUBLED_NUMBERING.name] == "hash 0x1: shard 1 of 2, then shard 1 of 4, not 2 or 3"
    assert shard_of(1, 4) == 1
    assert told["Math.abs(hash) % n is never negative"] == "hash -2147483648, 3 segments: index -2"
    assert told["no two keys of two bytes have one shift hash"] == "0000 and 01e0 both have hash 0x2fc286c6"
    assert shift_hash(b"\xb3\xdf") == shift_hash(b"\x8c\x30")


@pytest.mark.parametrize(
    ("wrapped", "agrees_for"), [(shift_hash_64, shift.AGREES_FOR), (shift_hash_32, shift.AGREES_FOR_32)]
)
def test_a_wrapped_state_differs_from_the_length_that_is_told(wrapped, agrees_for):
    differs = [length for length in range(1, 30) if wrapped(b"\xff" * length) != shift_hash(b"\xff" * length)]
    assert differs[0] == agrees_for + 1


# ------------------------------------------------------------------------------------------------ seen to fail

SCOPE = "a wrong variant"


@lemma("doubling sends the keys of shard s to s or s + 2n", SCOPE)
def too_far(hash: Word, n: Word, s: Word):
    child = routing.routed(hash, 2 * n)
    return Sequent(
        (routing.power_of_two(n), routing.routed(hash, n) == s), z3.Or(child == s, child == s + 2 * n)
    )


@lemma("the bit below chooses between s and s + n", SCOPE)
def wrong_bit(hash: Word, n: Word, s: Word):
    child = z3.If(hash & z3.LShR(n, 1) == 0, s, s + n)
    return Sequent(
        (routing.power_of_two(n), routing.routed(hash, n) == s), child == routing.routed(hash, 2 * n)
    )


@lemma("hash & (n - 1) equals hash % n for any n", SCOPE)
def any_number_of_shards(hash: Half, n: Half):
    return Sequent((n != 0,), hash & (n - 1) == z3.URem(hash, n))


@lemma("by the top bits with an arithmetic shift, the children of shard s are 2s and 2s + 1", SCOPE)
def arithmetic_shift(hash: Word, k: Word):
    s, child = hash >> (64 - k), hash >> (63 - k)
    return Sequent(
        (z3.UGE(k, 1), z3.ULE(k, 62)), z3.And(z3.ULE(s, (1 << 62)), z3.Or(child == 2 * s, child == 2 * s + 1))
    )


@lemma("a step of FNV-1a by an even number can be undone", SCOPE)
def even_prime(state: Word, other: Word):
    return Sequent((state != other,), state * 6 != other * 6)


@lemma("a step of a hash that shifts only to the left keeps different states different", SCOPE)
def only_shifted(state: Word, other: Word, byte: Byte):
    wide = z3.ZeroExt(56, byte)
    return Sequent((state != other,), (state ^ wide) << 5 != (other ^ wide) << 5)


@lemma("Math.abs(hash) % n is an index but for hash = 0", SCOPE)
def wrong_exception(hash: Half, n: Half):
    return Sequent((n > 0, hash != 0), java.index(hash, n) >= 0)


MUTANTS = (
    too_far, wrong_bit, any_number_of_shards, arithmetic_shift, even_prime, only_shifted, wrong_exception,
)  # fmt: skip


@pytest.mark.parametrize("lemma", MUTANTS, ids=named)
def test_a_wrong_variant_is_refuted(lemma):
    found = hashing.check(lemma, timeout=60)
    assert found.verdict is Verdict.REFUTED
    assert " = 0x" in found.text


def test_a_true_statement_that_was_said_to_be_false_fails():
    said_false = replace(routing.doubling, run=lambda **witness: "ran", denial="denied")
    assert hashing.check(said_false, timeout=60).verdict is Verdict.FAILED


def test_a_witness_that_is_none_is_noticed():
    not_shown = replace(hashing.DOUBLED_NUMBERING, run=lambda **witness: None)
    with pytest.raises(Disagreement, match="none for the code"):
        hashing.check(not_shown, timeout=60)


@pytest.mark.parametrize("lemma", [one for one in FALSE if "key" not in one.vectors()], ids=named)
def test_what_does_not_contradict_a_false_statement_is_no_witness(lemma):
    assert lemma.run(**{name: 1 if name == "n" else 0 for name in lemma.vectors()}) is None


def test_the_formulas_are_those_of_the_code():
    assert hashing.check_against_code() == 503


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [
        (routing, "shard_of", lambda hash_value, shards: hash_value % (shards + 1) % shards),
        (routing, "split_target", lambda hash_value, shard, shards: shard),
        (shift, "shift_hash_64", shift_hash),
        (fnv, "mixed", lambda number: number),
        (fnv, "fnv1a_64", lambda data: sum(data)),
        (java, "java_abs_remainder", lambda hash_code, segments: abs(hash_code) % segments),
    ],
)
def test_other_code_is_noticed(monkeypatch, module, name, wrong):
    monkeypatch.setattr(module, name, wrong)
    with pytest.raises((Disagreement, ValueError)):
        compare(module.spots())


def test_out_of_time_is_no_pass():
    wide = Lemma("hard", "", lambda: Sequent((n & (n - 1) == 0, n != 0), h & (n - 1) == z3.URem(h, n)))
    h, n = z3.BitVecs("hard_h hard_n", 256)
    assert hashing.check(wide, timeout=0.001).verdict is Verdict.UNDECIDED
    assert hashing.check(wide, timeout=0.0).verdict is Verdict.UNDECIDED


def test_listing_the_lemmas_imports_no_prover():
    program = "import sys; from mapproof.proofs import hashing; hashing.LEMMAS; print('z3' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


# ------------------------------------------------------------------------------------------------ cvc5

SLOW_FOR_CVC5 = (java.harmless,)  # 2.6 s of the 4 s for all


@pytest.mark.parametrize("lemma", [one for one in LEMMAS if one not in SLOW_FOR_CVC5], ids=named)
def test_cvc5_agrees(lemma):
    assert asked_of_cvc5(hashing.smt_lib(lemma)) == ("unsat" if lemma.holds else "sat")


def asked_of_cvc5(text):
    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("tlimit-per", "60000")
    solver.setLogic("ALL")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "lemma")
    symbols, answer = parser.getSymbolManager(), ""
    while not (command := parser.nextCommand()).isNull():
        answer = command.invoke(solver, symbols).strip() or answer
    return answer
