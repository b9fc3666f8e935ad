"""FNV-1a and the mixing of Python's hashes, 64 bits: steps that lose nothing, and what that does not promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mapproof.impl.hashing import fnv1a_64, mixed
from mapproof.proofs.hashing.lemma import Byte, Expr, Sequent, Spot, Word, false_lemma, lemma, z3

BITS: Final = 64
FNV_PRIME: Final = 0x100000001B3
STEPS: Final = "all 64-bit states, all bytes"


def step(state: Expr, byte: Expr) -> Expr:
    """One round of the loop of `impl.hashing.fnv1a_64` on bit-vectors."""
    return (state ^ z3.ZeroExt(BITS - 8, byte)) * FNV_PRIME


def _inverse(odd: int) -> int:
    return pow(odd, -1, 1 << BITS)


@lemma("a step of FNV-1a keeps different bytes different", STEPS)
def injective_in_the_byte(state: Word, byte: Byte, other: Byte) -> Sequent:
    return Sequent((byte != other,), step(state, byte) != step(state, other))


@lemma("a step of FNV-1a can be undone, so it keeps different states different", STEPS)
def undone(state: Word, byte: Byte) -> Sequent:
    return Sequent((), (step(state, byte) * _inverse(FNV_PRIME)) ^ z3.ZeroExt(BITS - 8, byte) == state)


def _run_step(state: int, byte: int) -> int:
    return (state ^ byte) * FNV_PRIME % (1 << BITS)


def _run_jointly(state: int, byte: int, other_state: int, other_byte: int) -> str | None:
    after = _run_step(state, byte)
    if (state, byte) == (other_state, other_byte) or after != _run_step(other_state, other_byte):
        return None
    return f"state {state:#x} and byte {byte:#x}, state {other_state:#x} and byte {other_byte:#x}: both {after:#x}"


@false_lemma(
    "a step of FNV-1a keeps different pairs of state and byte different",
    STEPS,
    denial="two pairs of state and byte can be one after a step of FNV-1a",
    run=_run_jointly,
    least=("state", "byte", "other_state", "other_byte"),
)
def jointly_injective(state: Word, byte: Byte, other_state: Word, other_byte: Byte) -> Sequent:
    return Sequent(
        (z3.Or(state != other_state, byte != other_byte),), step(state, byte) != step(other_state, other_byte)
    )


# ------------------------------------------------------------------------------------------------ mixed

MIXING: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
"""The shifts and factors of splitmix64's finalizer, in their order."""


def mixed_by(number: Expr) -> Expr:
    """`impl.hashing.mixed` on bit-vectors."""
    for shift, factor in MIXING:
        number = _folded(number, shift) * factor
    return number


def _folded(number: Expr, shift: int) -> Expr:
    return number ^ z3.LShR(number, shift)


def _unfolded(number: Expr, shift: int) -> Expr:
    for bits in range(shift, BITS, shift):
        number = number ^ z3.LShR(number, bits)
    return number


@lemma("mixing sends no two hashes to one: each of its steps can be undone", "all 64-bit hashes")
def mixing_is_undone(hash: Word) -> Sequent:
    steps = [
        z3.And(_unfolded(_folded(hash, shift), shift) == hash, hash * factor * _inverse(factor) == hash)
        for shift, factor in MIXING
    ]
    return Sequent((), z3.And(*steps))


# ------------------------------------------------------------------------------------------------ the code

SPOT_KEYS: Final = (b"", b"a", b"foobar", b"\xff" * 9)
SPOT_NUMBERS: Final = (0, 1, 0x5555_5555_5555_5555, (1 << 64) - 1)


def spots() -> Iterator[Spot]:
    """The formulas of this module at some keys and numbers."""
    for key in SPOT_KEYS:
        for byte in (0, 1, 0x7F, 0xFF):
            state = z3.BitVecVal(fnv1a_64(key), BITS)
            yield step(state, z3.BitVecVal(byte, 8)), fnv1a_64(key + bytes([byte]))
            yield z3.BitVecVal(_run_step(fnv1a_64(key), byte), BITS), fnv1a_64(key + bytes([byte]))
    for number in SPOT_NUMBERS:
        yield mixed_by(z3.BitVecVal(number, BITS)), mixed(number)
