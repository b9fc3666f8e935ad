"""Hashes and shards: what holds of them for every key and every hash, and what is said of them and is false.

The idea: `impl/hashing.py` is a few bit operations; the same operations on Z3 bit-vectors make each statement one
query over all hashes at once (`lemma.py`). What ties the two together: the formulas are evaluated at spot values,
and the witnesses against false statements are run, on the functions that the maps call.
"""

from __future__ import annotations

from functools import cache

from mapproof.proofs.hashing import fnv, java, routing, shift_hash
from mapproof.proofs.hashing.lemma import Lemma, compare, judge, lemmas_in, smt_lib
from mapproof.proofs.table.findings import Finding

_TOPICS = (
    ("routing", routing),
    ("shift hash", shift_hash),
    ("FNV-1a", fnv),
    ("Java", java),
)

LEMMAS = {lemma.name: lemma for _, module in _TOPICS for lemma in lemmas_in(vars(module))}
"""Every statement by name, true and false ones."""

TOPICS = {lemma.name: topic for topic, module in _TOPICS for lemma in lemmas_in(vars(module))}
"""What each statement is about."""

DOUBLED_NUMBERING = routing.doubled_numbering
"""A false statement that is often written down. It is right for the top bits, and for n = 1."""


def check(lemma: Lemma, *, timeout: float) -> Finding:
    """What Z3 says of the statement, and the code of its formulas: as `lemma.judge`, after `check_against_code`."""
    check_against_code()
    return judge(lemma, timeout=timeout)


@cache
def check_against_code() -> int:
    """Compare every formula with the functions of `impl.hashing` at spot values; return how many were compared.

    Raises `Disagreement` at the first difference. Done once a process.
    """
    return sum(compare(module.spots()) for _, module in _TOPICS)


__all__ = [
    "DOUBLED_NUMBERING",
    "LEMMAS",
    "TOPICS",
    "Lemma",
    "check",
    "check_against_code",
    "smt_lib",
]
