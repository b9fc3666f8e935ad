"""The hash functions of a sharded map, which shard holds a key, and where keys go when shards double.

The idea: with n shards, n a power of two, the shard is the low bits of the hash, `hash & (n - 1)`. Doubling
n makes one more bit count, so a key of shard s either stays in s or moves to s + n, and never to another
family; `proofs/hashing` shows this for all 64-bit hashes. Calling the children 2s and 2s + 1 is right for
the top bits of the hash, `hash >> (64 - log2(n))`, and not for the low ones: a map must keep to one `Routing`.

The hash functions take bytes and answer a 64-bit hash; the two shift hashes answer 31 bits. For any other key
`mixed_hash` makes Python's own hash fit for routing.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum
from typing import Final

import xxhash

MASK_64: Final = (1 << 64) - 1


def check_shards(shards: int) -> int:
    """Return `shards` when it is a power of two, 1 included; else raise `ValueError` in one line."""
    if shards < 1 or shards & (shards - 1):
        raise ValueError(f"the number of shards must be a power of two, not {shards}")
    return shards


def shard_of(hash_value: int, shards: int) -> int:
    """The shard, 0 <= s < shards, of a key with this hash. Raises `ValueError` as `check_shards`."""
    return hash_value & (check_shards(shards) - 1)


def split_targets(shard: int, shards: int) -> tuple[int, int]:
    """The two shards, out of 2 * shards, among which the keys of `shard` are divided.

    Raises `ValueError` when there is no such shard, or as `check_shards`.
    """
    if not 0 <= shard < check_shards(shards):
        raise ValueError(f"there is no shard {shard} among {shards}")
    return shard, shard + shards


def split_target(hash_value: int, shard: int, shards: int) -> int:
    """Where a key of `shard` with this hash goes: the next bit of the hash chooses between `split_targets`.

    Equals `shard_of(hash_value, 2 * shards)`. Raises `ValueError` when such a key is not in `shard`.
    """
    stays, moves = split_targets(shard, shards)
    if shard_of(hash_value, shards) != shard:
        raise ValueError(f"hash {hash_value:#x} belongs to shard {shard_of(hash_value, shards)}, not {shard}")
    return stays if shard_of(hash_value, 2 * shards) == stays else moves


class Routing(StrEnum):
    """Which bits of a 64-bit hash name the shard. Numbers of shards are powers of two, at most 2 ** 64.

    Each method raises `ValueError` when a number of shards is not a power of two.
    """

    LOW_BITS = "low bits"
    TOP_BITS = "top bits"

    def shard_of(self, hash_value: int, shards: int) -> int:
        """The shard, 0 <= s < shards, of a key with this hash."""
        if self is Routing.LOW_BITS:
            return shard_of(hash_value, shards)
        return (hash_value & MASK_64) >> (64 - _log2(shards))

    def split_targets(self, shard: int, shards: int) -> tuple[int, int]:
        """The two shards, out of 2 * shards, for the keys of `shard` whose next bit is 0 and 1.

        Raises `ValueError` when there is no such shard.
        """
        low_bits = split_targets(shard, shards)
        return low_bits if self is Routing.LOW_BITS else (2 * shard, 2 * shard + 1)

    def ancestor(self, shard: int, shards: int, fewer: int) -> int:
        """The shard, out of `fewer`, that held the keys of `shard` before there were as many as `shards`.

        Raises `ValueError` when `fewer` is more than `shards`.
        """
        if check_shards(fewer) > check_shards(shards):
            raise ValueError(f"{fewer} shards are not fewer than {shards}")
        return shard_of(shard, fewer) if self is Routing.LOW_BITS else shard // (shards // fewer)


def _log2(power_of_two: int) -> int:
    return check_shards(power_of_two).bit_length() - 1


def mixed_hash(key: Hashable) -> int:
    """Python's hash of the key with its 64 bits mixed, so that equal keys have one hash and any bits may route.

    A small int is its own Python hash, and so has no top bits. Keys collide only as their Python hashes do, modulo
    2 ** 64. Raises `TypeError` for a key without a hash.
    """
    return mixed(hash(key))


def mixed(number: int) -> int:
    """The low 64 bits of the number, each of them spread over all: a bijection.

    It is the finalizer of splitmix64 (Steele, Lea and Flood, OOPSLA 2014; constants by Stafford, variant 13).
    """
    number &= MASK_64
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & MASK_64
    number = (number ^ number >> 27) * 0x94D049BB133111EB & MASK_64
    return number ^ number >> 31


_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3


def fnv1a_64(data: bytes) -> int:
    """FNV-1a of 64 bits (Fowler, Noll and Vo)."""
    hash_value = _FNV_OFFSET
    for byte in data:
        hash_value = (hash_value ^ byte) * _FNV_PRIME & MASK_64
    return hash_value


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0."""
    return xxhash.xxh64_intdigest(data)


def xxh3_64(data: bytes) -> int:
    """XXH3 of 64 bits with seed 0."""
    return xxhash.xxh3_64_intdigest(data)


_SHIFT_START: Final = 0xDEADBEEF
_MASK_31: Final = (1 << 31) - 1


def shift_hash(data: bytes) -> int:
    """The xor-and-shift hash that sharded maps are sometimes given, in Python's unbounded integers; 31 bits.

    The state grows by five bits a byte, so the time is quadratic in the length. Two keys of two bytes may
    collide already: b"\\xb3\\xdf" and b"\\x8c\\x30".
    """
    return _shifted(data, -1)


def shift_hash_64(data: bytes) -> int:
    """`shift_hash` with the state wrapped to 64 bits, as in Go or Java.

    The right shift then no longer brings down bits that only unbounded integers have kept: the two are equal
    for up to 23 bytes, and in general different from 24 on.
    """
    return _shifted(data, MASK_64)


def shift_hash_32(data: bytes) -> int:
    """`shift_hash` with the state wrapped to 32 bits: equal for up to 5 bytes, and in general different from 6 on."""
    return _shifted(data, (1 << 32) - 1)


def _shifted(data: bytes, mask: int) -> int:
    state = _SHIFT_START
    for byte in data:
        state ^= byte
        state = (state << 5) + (state >> 2) & mask
    return state & _MASK_31


def java_abs_remainder(hash_code: int, segments: int) -> int:
    """Java's `Math.abs(hashCode) % segments` in 32-bit arithmetic, for comparison: no way to route.

    `Math.abs` of -2 ** 31 is -2 ** 31, so that one hash has a negative index unless `segments` is a power of two
    (at most 2 ** 31). Raises `ValueError` for a `segments` that no positive Java int holds.
    """
    if not 0 < segments < 1 << 31:
        raise ValueError(f"the number of segments must be a positive 32-bit int, not {segments}")
    magnitude = _wrapped_32(abs(_wrapped_32(hash_code)))
    # Java's remainder has the sign of the dividend.
    remainder = abs(magnitude) % segments
    return -remainder if magnitude < 0 else remainder


def _wrapped_32(number: int) -> int:
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)
