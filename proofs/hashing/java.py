"""Java's `Math.abs(hashCode) % segments` as an index, in 32-bit arithmetic: where it is none, and what is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from mapproof.impl.hashing import java_abs_remainder
from mapproof.proofs.hashing.lemma import Expr, Half, Sequent, Spot, false_lemma, lemma, z3

MIN_VALUE: Final = 1 << 31
"""Java's Integer.MIN_VALUE, -2^31, as the bits of an unsigned number."""

ALL: Final = "all 32-bit hashes, all segments from 1 to 2^31 - 1"
AS_INTEGERS: Final = ":solve-bv-as-int sum"
"""With it, cvc5 knows that a remainder is less than the divisor; bit by bit, it does not find that in time."""

POWERS: Final = "all 32-bit hashes, all segments n = 2^k with k <= 30"


def index(hash: Expr, n: Expr) -> Expr:
    """`impl.hashing.java_abs_remainder` on bit-vectors, which Java's arithmetic wraps to. `<` is that of signed ints."""
    return z3.SRem(z3.If(hash < 0, -hash, hash), n)


def _is_index(found: Expr, n: Expr) -> Expr:
    return z3.And(found >= 0, found < n)


def _power_of_two(n: Expr) -> Expr:
    return z3.And(n > 0, n & (n - 1) == 0)


def _signed(bits: int) -> int:
    return bits - (1 << 32) if bits >= MIN_VALUE else bits


def _run_negative(hash: int, n: int) -> str | None:
    found = java_abs_remainder(_signed(hash), n)
    return f"hash {_signed(hash)}, {n} segments: index {found}" if found < 0 else None


@false_lemma(
    "Math.abs(hash) % n is never negative",
    ALL,
    denial="Math.abs(hash) % n can be negative",
    run=_run_negative,
    least=("n",),
)
def never_negative(hash: Half, n: Half) -> Sequent:
    return Sequent((n > 0,), index(hash, n) >= 0)


@lemma("Math.abs(hash) % n is an index but for hash = -2^31", f"{ALL}, except that hash", hint=AS_INTEGERS)
def but_for_one(hash: Half, n: Half) -> Sequent:
    return Sequent((n > 0, hash != MIN_VALUE), _is_index(index(hash, n), n))


@lemma("Math.abs(hash) % n is an index when n is a power of two", POWERS)
def harmless(hash: Half, n: Half) -> Sequent:
    return Sequent((_power_of_two(n),), _is_index(index(hash, n), n))


def _run_other_index(hash: int, n: int) -> str | None:
    found, masked = java_abs_remainder(_signed(hash), n), hash & (n - 1)
    if found == masked:
        return None
    return f"hash {_signed(hash)}, {n} segments: index {found} by Math.abs, {masked} by the low bits"


@false_lemma(
    "Math.abs(hash) % n is hash & (n - 1) when n is a power of two",
    POWERS,
    denial="Math.abs(hash) % n is not hash & (n - 1), even when n is a power of two",
    run=_run_other_index,
    least=("n", "hash"),
)
def same_as_masking(hash: Half, n: Half) -> Sequent:
    return Sequent((_power_of_two(n),), index(hash, n) == hash & (n - 1))


@lemma("(hash & 0x7fffffff) % n is an index", ALL, hint=AS_INTEGERS)
def without_the_sign(hash: Half, n: Half) -> Sequent:
    return Sequent((n > 0,), _is_index(z3.SRem(hash & (MIN_VALUE - 1), n), n))


# ------------------------------------------------------------------------------------------------ the code

SPOT_HASHES: Final = (0, 1, 5, MIN_VALUE - 1, MIN_VALUE, MIN_VALUE + 1, (1 << 32) - 1, 0xC69B412D)
SPOT_SEGMENTS: Final = (1, 2, 3, 64, 100, 1 << 30, (1 << 31) - 1)


def spots() -> Iterator[Spot]:
    """The formula of the index at some hashes and numbers of segments."""
    for hash_code, segments in product(SPOT_HASHES, SPOT_SEGMENTS):
        wanted = java_abs_remainder(hash_code, segments) % (1 << 32)
        yield index(z3.BitVecVal(hash_code, 32), z3.BitVecVal(segments, 32)), wanted
