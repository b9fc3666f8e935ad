"""Shard routing as the maps use it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapproof.impl.hashing import check_shards, shard_of, split_target, split_targets

HASHES = st.integers(0, 2**64 - 1)
BITS = st.integers(0, 62)


@given(HASHES, BITS)
def test_the_shard_is_the_remainder(hash_value, bits):
    assert shard_of(hash_value, 1 << bits) == hash_value % (1 << bits)


@given(HASHES, BITS)
def test_a_split_agrees_with_the_doubled_map(hash_value, bits):
    shards = 1 << bits
    shard = shard_of(hash_value, shards)
    child = split_target(hash_value, shard, shards)
    assert child == shard_of(hash_value, 2 * shards)
    assert child in split_targets(shard, shards)


def test_the_children_of_all_shards_are_all_shards():
    children = [child for shard in range(8) for child in split_targets(shard, 8)]
    assert sorted(children) == list(range(16))


def test_a_python_hash_may_be_negative():
    assert shard_of(-1, 8) == 7


@pytest.mark.parametrize("shards", [0, -1, -8, 3, 6, 12, 1000])
def test_the_number_of_shards_is_a_power_of_two(shards):
    with pytest.raises(ValueError, match=f"must be a power of two, not {shards}"):
        check_shards(shards)
    with pytest.raises(ValueError):
        shard_of(5, shards)


@pytest.mark.parametrize("shard", [-1, 4, 5])
def test_there_is_no_such_shard(shard):
    with pytest.raises(ValueError, match=f"there is no shard {shard} among 4"):
        split_targets(shard, 4)


def test_a_key_of_another_shard_is_refused():
    with pytest.raises(ValueError, match="hash 0x6 belongs to shard 2, not 1"):
        split_target(6, 1, 4)
