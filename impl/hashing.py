"""Which shard of a sharded map holds a key, and where a shard's keys go when the number of shards doubles.

The idea: with n shards, n a power of two, the shard is the low bits of the hash, `hash & (n - 1)`. Doubling
n makes one more bit count, so a key of shard s either stays in s or moves to s + n, and never to another
family; `proofs/hashing.py` shows this for all 64-bit hashes. (Calling the children 2s and 2s + 1 is right for
the top bits of the hash, not for the low ones.)
"""

from __future__ import annotations


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
