"""The xor-and-shift hash from 0xdeadbeef: where it collides, and where a wrapped state gives another answer.

The idea: a key of a fixed length is one bit-vector, its first byte on top, and the hash of it a term. Python's
integers do not wrap; a state of W bits stands for one as long as it cannot outgrow W. A step multiplies the
state by less than 2^6, so 32 + 6 bits for each byte are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, TypeAlias

from mapproof.impl.hashing import shift_hash, shift_hash_32, shift_hash_64
from mapproof.proofs.hashing.lemma import Byte, Expr, Sequent, Spot, false_lemma, lemma, z3

AGREES_FOR: Final = 23
"""Bytes for which 64 bits of state are as good as unbounded ones."""

AGREES_FOR_32: Final = 5

TwoBytes: TypeAlias = Annotated[Any, 8 * 2]
ThreeBytes: TypeAlias = Annotated[Any, 8 * 3]
SixBytes: TypeAlias = Annotated[Any, 8 * (AGREES_FOR_32 + 1)]
Key: TypeAlias = Annotated[Any, 8 * AGREES_FOR]
LongerKey: TypeAlias = Annotated[Any, 8 * (AGREES_FOR + 1)]


def bytes_of(key: Expr) -> list[Expr]:
    """The bytes of the key, the first one on top."""
    return [z3.Extract(end - 1, end - 8, key) for end in range(key.size(), 0, -8)]


def hashed(data: list[Expr], state_bits: int | None = None) -> Expr:
    """`impl.hashing.shift_hash` on bit-vectors, its state wrapped to so many bits, or never."""
    width = 32 + 6 * len(data) if state_bits is None else state_bits
    state = z3.BitVecVal(0xDEADBEEF, width)
    for byte in data:
        state = state ^ z3.ZeroExt(width - 8, byte)
        state = (state << 5) + z3.LShR(state, 2)
    return z3.Extract(30, 0, state)


def _no_collision(a: Expr, b: Expr) -> Sequent:
    return Sequent((a != b,), hashed(bytes_of(a)) != hashed(bytes_of(b)))


def _agree(key: Expr, state_bits: int) -> Expr:
    """For every beginning of the key, the hash with a wrapped state is that of unbounded integers."""
    data = bytes_of(key)
    beginnings = (data[:length] for length in range(1, len(data) + 1))
    return z3.And(*(hashed(some) == hashed(some, state_bits) for some in beginnings))


def _run_collision(length: int) -> Callable[..., str | None]:
    def run(a: int, b: int) -> str | None:
        left, right = a.to_bytes(length, "big"), b.to_bytes(length, "big")
        if left == right or shift_hash(left) != shift_hash(right):
            return None
        return f"{left.hex()} and {right.hex()} both have hash {shift_hash(left):#x}"

    return run


def _run_difference(length: int, wrapped: Callable[[bytes], int], bits: int) -> Callable[..., str | None]:
    def run(key: int) -> str | None:
        data = key.to_bytes(length, "big")
        if shift_hash(data) == wrapped(data):
            return None
        return f"{data.hex()} has hash {shift_hash(data):#x}, and {wrapped(data):#x} in {bits} bits"

    return run


# ------------------------------------------------------------------------------------------------ collisions


@lemma("no two keys of one byte have one shift hash", "all keys of one byte")
def one_byte(a: Byte, b: Byte) -> Sequent:
    return _no_collision(a, b)


@false_lemma(
    "no two keys of two bytes have one shift hash",
    "all keys of two bytes",
    denial="two keys of two bytes can have one shift hash",
    run=_run_collision(2),
    least=("a", "b"),
)
def two_bytes(a: TwoBytes, b: TwoBytes) -> Sequent:
    return _no_collision(a, b)


@false_lemma(
    "no two keys of three bytes have one shift hash",
    "all keys of three bytes",
    denial="two keys of three bytes can have one shift hash",
    run=_run_collision(3),
    least=("a", "b"),
)
def three_bytes(a: ThreeBytes, b: ThreeBytes) -> Sequent:
    return _no_collision(a, b)


@lemma("no two words of three letters a to z have one shift hash", "all words of three letters a to z")
def three_letters(a: ThreeBytes, b: ThreeBytes) -> Sequent:
    return _of_letters(_no_collision(a, b), a, b)


@lemma("no two words of two letters a to z have one shift hash", "all words of two letters a to z")
def two_letters(a: TwoBytes, b: TwoBytes) -> Sequent:
    return _of_letters(_no_collision(a, b), a, b)


def _of_letters(sequent: Sequent, *keys: Expr) -> Sequent:
    letters = [
        z3.And(z3.ULE(ord("a"), byte), z3.ULE(byte, ord("z"))) for key in keys for byte in bytes_of(key)
    ]
    return Sequent((*letters, *sequent.assumptions), sequent.goal)


# ------------------------------------------------------------------------------------------------ wrapped states


@lemma("64 bits of state give Python's shift hash", f"all keys of 1 to {AGREES_FOR} bytes")
def wrapped_64(key: Key) -> Sequent:
    return Sequent((), _agree(key, 64))


@false_lemma(
    f"64 bits of state give Python's shift hash of {AGREES_FOR + 1} bytes",
    f"all keys of {AGREES_FOR + 1} bytes",
    denial="64 bits of state do not give Python's shift hash of 24 bytes",
    run=_run_difference(AGREES_FOR + 1, shift_hash_64, 64),
    least=(),
)
def wrapped_64_longer(key: LongerKey) -> Sequent:
    return Sequent((), hashed(bytes_of(key)) == hashed(bytes_of(key), 64))


FiveBytes: TypeAlias = Annotated[Any, 8 * AGREES_FOR_32]


@lemma("32 bits of state give Python's shift hash", f"all keys of 1 to {AGREES_FOR_32} bytes")
def wrapped_32(key: FiveBytes) -> Sequent:
    return Sequent((), _agree(key, 32))


@false_lemma(
    f"32 bits of state give Python's shift hash of {AGREES_FOR_32 + 1} bytes",
    f"all keys of {AGREES_FOR_32 + 1} bytes",
    denial="32 bits of state do not give Python's shift hash of 6 bytes",
    run=_run_difference(AGREES_FOR_32 + 1, shift_hash_32, 32),
    least=("key",),
)
def wrapped_32_longer(key: SixBytes) -> Sequent:
    return Sequent((), hashed(bytes_of(key)) == hashed(bytes_of(key), 32))


# ------------------------------------------------------------------------------------------------ the code

SPOT_KEYS: Final = (
    b"\x00",
    b"a",
    b"\xff",
    b"ab",
    b"\xb3\xdf",
    b"key:10",
    b"\xff" * 23,
    b"\xff" * 24,
    bytes(range(40)),
)


def spots() -> Iterator[Spot]:
    """The formulas of this module at some keys."""
    for key in SPOT_KEYS:
        data = bytes_of(z3.BitVecVal(int.from_bytes(key, "big"), 8 * len(key)))
        yield hashed(data), shift_hash(key)
        yield hashed(data, 64), shift_hash_64(key)
        yield hashed(data, 32), shift_hash_32(key)
