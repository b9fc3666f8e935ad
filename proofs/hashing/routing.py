"""Which shard holds a key, and where its keys go when shards are split: for all 64-bit hashes and n = 2^k shards."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from mapproof.impl.hashing import MASK_64, Routing, shard_of, split_target, split_targets
from mapproof.proofs.hashing.lemma import Expr, Sequent, Spot, Word, false_lemma, lemma, z3

BITS: Final = 64
MOST_BITS_OF_SHARDS: Final = 62
"""n = 2^k with k up to this: s + n and 2n must fit into 64 bits."""

ALL: Final = "all 64-bit hashes, all n = 2^k with k <= 62"
TOP: Final = "all 64-bit hashes, all n = 2^k with 1 <= k <= 62"


def power_of_two(n: Expr, most_bits: int = MOST_BITS_OF_SHARDS) -> Expr:
    """n is 2^k for some 0 <= k <= most_bits."""
    return z3.And(n != 0, n & (n - 1) == 0, z3.ULE(n, 1 << most_bits))


def routed(hash_value: Expr, n: Expr) -> Expr:
    """`impl.hashing.shard_of` on bit-vectors."""
    return hash_value & (n - 1)


def split(hash_value: Expr, s: Expr, n: Expr) -> Expr:
    """`impl.hashing.split_target` on bit-vectors."""
    return z3.If(routed(hash_value, 2 * n) == s, s, s + n)


def routed_by_top_bits(hash_value: Expr, bits: Expr) -> Expr:
    """`impl.hashing.Routing.TOP_BITS.shard_of` for 2^bits shards. As in Python, a shift by 64 leaves nothing."""
    return z3.LShR(hash_value, BITS - bits)


def _between(bits: Expr, most: int = MOST_BITS_OF_SHARDS) -> Expr:
    return z3.And(z3.UGE(bits, 1), z3.ULE(bits, most))


# ------------------------------------------------------------------------------------------------ low bits


@lemma("hash & (n - 1) is a shard, and equals hash % n", "all 64-bit hashes, each n = 2^k with k <= 63")
def remainder(hash: Word) -> Sequent:
    return Sequent(
        (), z3.And(*(routed(hash, z3.BitVecVal(1 << k, BITS)) == z3.URem(hash, 1 << k) for k in range(BITS)))
    )


@lemma("doubling sends the keys of shard s to s or s + n", ALL)
def doubling(hash: Word, n: Word, s: Word) -> Sequent:
    child = routed(hash, 2 * n)
    return Sequent((power_of_two(n), routed(hash, n) == s), z3.Or(child == s, child == s + n))


@lemma("the next bit of the hash chooses between s and s + n", ALL)
def next_bit(hash: Word, n: Word, s: Word) -> Sequent:
    child = split(hash, s, n)
    return Sequent(
        (power_of_two(n), routed(hash, n) == s),
        z3.And(child == routed(hash, 2 * n), child == z3.If(hash & n == 0, s, s + n)),
    )


@lemma("the children of different shards are different", ALL)
def different_children(n: Word, s: Word, r: Word) -> Sequent:
    return Sequent((power_of_two(n), z3.ULT(s, n), z3.ULT(r, n), s != r), z3.Distinct(s, s + n, r, r + n))


@lemma(
    "doubling twice sends the keys of shard s to s, s + n, s + 2n or s + 3n",
    "all 64-bit hashes, all n = 2^k with k <= 61",
)
def doubling_twice(hash: Word, n: Word, s: Word) -> Sequent:
    grandchild = routed(hash, 4 * n)
    return Sequent(
        (power_of_two(n, MOST_BITS_OF_SHARDS - 1), routed(hash, n) == s),
        z3.Or(*(grandchild == s + times * n for times in range(4))),
    )


def _run_doubled_numbering(hash: int, n: int, s: int) -> str | None:
    child = shard_of(hash, 2 * n)
    if shard_of(hash, n) != s or child in (2 * s, 2 * s + 1):
        return None
    return f"hash {hash:#x}: shard {s} of {n}, then shard {child} of {2 * n}, not {2 * s} or {2 * s + 1}"


@false_lemma(
    "by the low bits, the children of shard s are 2s and 2s + 1",
    ALL,
    denial="by the low bits, the children of shard s are not 2s and 2s + 1",
    run=_run_doubled_numbering,
    least=("n", "hash"),
)
def doubled_numbering(hash: Word, n: Word, s: Word) -> Sequent:
    child = routed(hash, 2 * n)
    return Sequent((power_of_two(n), routed(hash, n) == s), z3.Or(child == 2 * s, child == 2 * s + 1))


@lemma("of a single shard, the children are 0 and 1 by the low bits too", "all 64-bit hashes, n = 1")
def one_shard(hash: Word) -> Sequent:
    return Sequent((), z3.ULE(routed(hash, z3.BitVecVal(2, BITS)), 1))


# ------------------------------------------------------------------------------------------------ top bits


@lemma("by the top bits, the children of shard s are 2s and 2s + 1", TOP)
def top_doubling(hash: Word, k: Word) -> Sequent:
    s, child = routed_by_top_bits(hash, k), routed_by_top_bits(hash, k + 1)
    return Sequent((_between(k),), z3.Or(child == 2 * s, child == 2 * s + 1))


@lemma(
    "by the top bits, doubling twice sends the keys of shard s to one of 4s to 4s + 3",
    "all 64-bit hashes, all n = 2^k with 1 <= k <= 61",
)
def top_doubling_twice(hash: Word, k: Word) -> Sequent:
    s, grandchild = routed_by_top_bits(hash, k), routed_by_top_bits(hash, k + 2)
    return Sequent(
        (_between(k, MOST_BITS_OF_SHARDS - 1),),
        z3.And(z3.ULE(4 * s, grandchild), z3.ULE(grandchild, 4 * s + 3)),
    )


@lemma("by the top bits, the children of different shards are different", TOP)
def top_different_children(hash: Word, other: Word, k: Word) -> Sequent:
    return Sequent(
        (_between(k), routed_by_top_bits(hash, k) != routed_by_top_bits(other, k)),
        routed_by_top_bits(hash, k + 1) != routed_by_top_bits(other, k + 1),
    )


@lemma("by the top bits, one shard has every key", "all 64-bit hashes, n = 1, shifts as in Python and Go")
def top_of_one_shard(hash: Word) -> Sequent:
    return Sequent((), routed_by_top_bits(hash, z3.BitVecVal(0, BITS)) == 0)


def _run_masked_shift(hash: int) -> str | None:
    java = (hash & MASK_64) >> (BITS & 63)
    python = Routing.TOP_BITS.shard_of(hash, 1)
    return (
        f"hash {hash:#x}: Java's hash >>> 64 is {java}, and shard {python} is the only one" if java else None
    )


@false_lemma(
    "by the top bits, one shard has every key where a shift counts modulo 64, as in Java and on x86",
    "all 64-bit hashes, n = 1",
    denial="by the top bits, one shard is not found where a shift counts modulo 64, as in Java and on x86",
    run=_run_masked_shift,
    least=("hash",),
)
def top_of_one_shard_masked(hash: Word) -> Sequent:
    return Sequent((), z3.LShR(hash, z3.BitVecVal(BITS, BITS) & 63) == 0)


# ------------------------------------------------------------------------------------------------ the code

SPOT_HASHES: Final = (0, 1, 2, 3, 0x5555_5555_5555_5555, 0xDEAD_BEEF_CAFE_F00D, (1 << 63) - 1, (1 << 64) - 1)
SPOT_BITS: Final = (0, 1, 4, 6, 31, MOST_BITS_OF_SHARDS)


def spots() -> Iterator[Spot]:
    """The formulas of this module at some hashes and numbers of shards."""
    for hash_value, bits in product(SPOT_HASHES, SPOT_BITS):
        n = 1 << bits
        s = shard_of(hash_value, n)
        h, shards, shard, k = (z3.BitVecVal(value, BITS) for value in (hash_value, n, s, bits))
        yield routed(h, shards), s
        yield routed(h, 2 * shards), shard_of(hash_value, 2 * n)
        yield split(h, shard, shards), split_target(hash_value, s, n)
        yield from zip((shard, shard + shards), split_targets(s, n), strict=True)
        top = Routing.TOP_BITS.shard_of(hash_value, n)
        yield routed_by_top_bits(h, k), top
        at_top = z3.BitVecVal(top, BITS)
        yield from zip((2 * at_top, 2 * at_top + 1), Routing.TOP_BITS.split_targets(top, n), strict=True)
