"""A bug at one hash among 2^64: random examples miss it, and CrossHair's symbolic ones find it within seconds.

The idea: Hypothesis draws the examples, `hypothesis-crosshair` makes them symbolic, and the property is the same. It
pays for arithmetic with a needle in it, as in routing; for maps with their states, the other rooms are the better ones.
"""

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from mapproof.impl.hashing import shard_of, split_target, split_targets

pytest.importorskip("hypothesis_crosshair_provider")

NEEDLE = 0x1234_5678_9ABC_DEF0
HASHES = st.integers(0, 2**64 - 1)


def astray_at_one_hash(hash_value, shard, shards):
    """`split_target`, but for one hash, which it sends to the other shard."""
    stays, moves = split_targets(shard, shards)
    right = split_target(hash_value, shard, shards)
    return right if hash_value != NEEDLE else stays + moves - right


def property_of(split, backend):
    @settings(
        backend=backend,
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=backend == "hypothesis",
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        phases=[Phase.generate],
    )
    @given(HASHES)
    def holds(hash_value):
        shard = shard_of(hash_value, 16)
        assert split(hash_value, shard, 16) == shard_of(hash_value, 32)

    return holds


def test_random_hashes_miss_the_needle():
    property_of(astray_at_one_hash, "hypothesis")()


def test_symbolic_hashes_find_the_needle():
    with pytest.raises(AssertionError):
        property_of(astray_at_one_hash, "crosshair")()


def test_symbolic_hashes_find_nothing_wrong_with_the_right_code():
    property_of(split_target, "crosshair")()
