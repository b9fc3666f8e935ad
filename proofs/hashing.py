"""Shard routing, for all 64-bit hashes and all numbers of shards n = 2^k.

The idea: `impl/hashing.py` routes with a few bit operations; the same operations on Z3 bit-vectors make each
statement one query over every hash and every n at once. What ties the two together: the formulas are
evaluated at spot values, and witnesses are run, against the functions that the maps use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import z3

from mapproof.impl.hashing import shard_of, split_target, split_targets
from mapproof.proofs.counterexamples import Disagreement
from mapproof.spec.evidence import Verdict

BITS = 64
MOST_BITS_OF_SHARDS = 62
"""n = 2^k with k up to this: s + n and 2n must fit into 64 bits."""

Expr: TypeAlias = Any  # z3.ExprRef; z3 has no type hints

HASH, SHARDS, SHARD, OTHER, DEPTH = z3.BitVecs("hash n s r k", BITS)


def power_of_two(n: Expr) -> Expr:
    """n is 2^k for some 0 <= k <= 62."""
    return z3.And(n != 0, n & (n - 1) == 0, z3.ULE(n, 1 << MOST_BITS_OF_SHARDS))


def routed(hash_value: Expr, n: Expr) -> Expr:
    """`impl.hashing.shard_of` on bit-vectors."""
    return hash_value & (n - 1)


def split(hash_value: Expr, s: Expr, n: Expr) -> Expr:
    """`impl.hashing.split_target` on bit-vectors."""
    return z3.If(routed(hash_value, 2 * n) == s, s, s + n)


@dataclass(frozen=True, slots=True)
class Lemma:
    """A statement about routing: under the assumptions, the goal, for all values of the bit-vectors."""

    name: str
    scope: str
    assumptions: tuple[Expr, ...]
    goal: Expr


ALL = "all 64-bit hashes, all n = 2^k with k <= 62"
_PARENT = (power_of_two(SHARDS), routed(HASH, SHARDS) == SHARD)
_TOP_PARENT = z3.LShR(HASH, BITS - DEPTH)
_TOP_CHILD = z3.LShR(HASH, BITS - 1 - DEPTH)

_LEMMAS = (
    Lemma(
        "hash & (n - 1) is a shard, and equals hash % n",
        "all 64-bit hashes, each n = 2^k with k <= 63",
        (),
        z3.And(*(routed(HASH, z3.BitVecVal(1 << k, BITS)) == z3.URem(HASH, 1 << k) for k in range(BITS))),
    ),
    Lemma(
        "doubling sends the keys of shard s to s or s + n",
        ALL,
        _PARENT,
        z3.Or(routed(HASH, 2 * SHARDS) == SHARD, routed(HASH, 2 * SHARDS) == SHARD + SHARDS),
    ),
    Lemma(
        "the next bit of the hash chooses between s and s + n",
        ALL,
        _PARENT,
        z3.And(
            split(HASH, SHARD, SHARDS) == routed(HASH, 2 * SHARDS),
            split(HASH, SHARD, SHARDS) == z3.If(HASH & SHARDS == 0, SHARD, SHARD + SHARDS),
        ),
    ),
    Lemma(
        "the children of different shards are different",
        ALL,
        (power_of_two(SHARDS), z3.ULT(SHARD, SHARDS), z3.ULT(OTHER, SHARDS), SHARD != OTHER),
        z3.Distinct(SHARD, SHARD + SHARDS, OTHER, OTHER + SHARDS),
    ),
    Lemma(
        "by the top bits, the children of shard s are 2s and 2s + 1",
        "all 64-bit hashes, all n = 2^k with 1 <= k <= 62",
        (z3.UGE(DEPTH, 1), z3.ULE(DEPTH, MOST_BITS_OF_SHARDS)),
        z3.Or(_TOP_CHILD == 2 * _TOP_PARENT, _TOP_CHILD == 2 * _TOP_PARENT + 1),
    ),
)

LEMMAS = {lemma.name: lemma for lemma in _LEMMAS}
"""What is true of routing, by name."""

DOUBLED_NUMBERING = Lemma(
    "by the low bits, the children of shard s are 2s and 2s + 1",
    ALL,
    _PARENT,
    z3.Or(routed(HASH, 2 * SHARDS) == 2 * SHARD, routed(HASH, 2 * SHARDS) == 2 * SHARD + 1),
)
"""A false statement that is often written down. It is right for the top bits, and for n = 1."""


def decide(lemma: Lemma, *, timeout: float) -> tuple[Verdict, dict[str, int]]:
    """PROVED, REFUTED with values of the bit-vectors, or UNDECIDED, within `timeout` seconds.

    The witness is the one with the fewest shards and, among those, the least hash.
    """
    solver = z3.Solver()
    solver.set("timeout", max(1, int(timeout * 1000)))
    solver.add(*lemma.assumptions, z3.Not(lemma.goal))
    answer = solver.check()
    if answer == z3.unsat:
        return Verdict.PROVED, {}
    if answer != z3.sat:
        return Verdict.UNDECIDED, {}
    model = _least(solver, (SHARDS, HASH))
    return Verdict.REFUTED, {str(vector): model[vector].as_long() for vector in model.decls()}


def _least(solver: Expr, wanted: tuple[Expr, ...]) -> Expr:
    """A model of a satisfiable solver with the least values, one after the other, by halving."""
    model = solver.model()
    for vector in wanted:
        low, high = 0, model.eval(vector, model_completion=True).as_long()
        while low < high:
            middle = (low + high) // 2
            if solver.check(z3.ULE(vector, middle)) == z3.sat:
                model = solver.model()
                high = model.eval(vector, model_completion=True).as_long()
            else:
                low = middle + 1
        solver.add(vector == high)
    return model


@dataclass(frozen=True, slots=True)
class Astray:
    """A key whose shard, after doubling, is neither 2s nor 2s + 1; every number comes from `impl.hashing`."""

    hash_value: int
    shards: int
    shard: int
    child: int

    def __str__(self) -> str:
        s = self.shard
        return (
            f"hash {self.hash_value:#x}: shard {s} of {self.shards}, "
            f"then shard {self.child} of {2 * self.shards}, not {2 * s} or {2 * s + 1}"
        )


def run_doubled_numbering(witness: dict[str, int]) -> Astray:
    """Run a witness against `DOUBLED_NUMBERING` in Python. Raises `Disagreement` when it is none there."""
    hash_value, shards = witness["hash"], witness["n"]
    shard, child = shard_of(hash_value, shards), shard_of(hash_value, 2 * shards)
    if shard != witness["s"] or child in (2 * shard, 2 * shard + 1):
        raise Disagreement(f"shard routing: Z3's witness {witness} is none for impl.hashing")
    return Astray(hash_value, shards, shard, child)


SPOT_HASHES = (0, 1, 2, 3, 0x5555_5555_5555_5555, 0xDEAD_BEEF_CAFE_F00D, (1 << 63) - 1, (1 << 64) - 1)
SPOT_BITS = (0, 1, 4, 6, 31, MOST_BITS_OF_SHARDS)


def check_against_code() -> int:
    """Compare the formulas with `impl.hashing` at spot values; return how many were compared.

    Raises `Disagreement` at the first difference.
    """
    spots = list(product(SPOT_HASHES, (1 << bits for bits in SPOT_BITS)))
    for hash_value, n in spots:
        s = shard_of(hash_value, n)
        stays, moves = split_targets(s, n)
        child = split_target(hash_value, s, n)
        for formula, value in (
            (routed(HASH, SHARDS), s),
            (routed(HASH, 2 * SHARDS), shard_of(hash_value, 2 * n)),
            (split(HASH, SHARD, SHARDS), child),
            (SHARD, stays),
            (SHARD + SHARDS, moves),
        ):
            if _evaluated(formula, {HASH: hash_value, SHARDS: n, SHARD: s}) != value:
                raise Disagreement(f"shard routing: {formula} is not {value} for hash {hash_value:#x}, n {n}")
    return len(spots)


def _evaluated(formula: Expr, values: Mapping[Expr, int]) -> int:
    here = [(vector, z3.BitVecVal(value, BITS)) for vector, value in values.items()]
    return int(z3.simplify(z3.substitute(formula, *here)).as_long())
