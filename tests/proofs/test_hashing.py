"""Shard routing: the lemmas are proved, the wrong numbering is refuted by a witness that runs."""

import pytest
import z3

from mapproof.impl.hashing import shard_of
from mapproof.proofs import hashing
from mapproof.proofs.counterexamples import Disagreement
from mapproof.spec.evidence import Verdict


@pytest.mark.parametrize("lemma", hashing.LEMMAS.values(), ids=lambda lemma: lemma.name)
def test_a_lemma_is_proved(lemma):
    assert hashing.decide(lemma, timeout=60) == (Verdict.PROVED, {})


@pytest.mark.parametrize("lemma", hashing.LEMMAS.values(), ids=lambda lemma: lemma.name)
def test_a_lemma_is_not_vacuous_and_its_negation_is_refuted(lemma):
    wrong = hashing.Lemma("negated", lemma.scope, lemma.assumptions, z3.Not(lemma.goal))
    assert hashing.decide(wrong, timeout=60)[0] is Verdict.REFUTED


def test_the_doubled_numbering_sends_a_key_astray():
    verdict, witness = hashing.decide(hashing.DOUBLED_NUMBERING, timeout=60)
    assert verdict is Verdict.REFUTED
    assert witness == {"hash": 1, "n": 2, "s": 1}
    astray = hashing.run_doubled_numbering(witness)
    assert str(astray) == "hash 0x1: shard 1 of 2, then shard 1 of 4, not 2 or 3"
    assert shard_of(1, 4) == 1


def test_a_witness_that_is_none_is_noticed():
    with pytest.raises(Disagreement):
        hashing.run_doubled_numbering({"hash": 0, "n": 1, "s": 0})


def test_the_formulas_are_those_of_the_code(monkeypatch):
    assert hashing.check_against_code() == len(hashing.SPOT_HASHES) * len(hashing.SPOT_BITS)
    monkeypatch.setattr(hashing, "shard_of", lambda hash_value, shards: hash_value % (shards + 1))
    monkeypatch.setattr(hashing, "split_targets", lambda shard, shards: (shard, shard + shards))
    monkeypatch.setattr(hashing, "split_target", lambda hash_value, shard, shards: shard)
    with pytest.raises(Disagreement, match="shard routing"):
        hashing.check_against_code()


def test_out_of_time_is_no_pass():
    h, n = z3.BitVecs("hard_h hard_n", 256)
    hard = hashing.Lemma("hard", "", (n & (n - 1) == 0, n != 0), h & (n - 1) == z3.URem(h, n))
    assert hashing.decide(hard, timeout=0.001)[0] is Verdict.UNDECIDED
