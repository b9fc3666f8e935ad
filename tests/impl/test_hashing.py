"""Shard routing as the maps use it, and the hash functions, against published values and slow definitions."""

from collections import Counter
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapproof.impl.hashing import (
    MASK_64,
    Routing,
    check_shards,
    fnv1a_64,
    java_abs_remainder,
    mixed_hash,
    shard_of,
    shift_hash,
    shift_hash_64,
    split_target,
    split_targets,
    xxh3_64,
    xxh64,
)
from mapproof.impl.sharded_map import ShardedMap

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


# -- routing by either end of the hash


@pytest.mark.parametrize("routing", list(Routing))
@given(hash_value=HASHES, bits=BITS, more=st.integers(0, 2))
def test_the_shard_before_is_the_ancestor_of_the_shard_after(routing, hash_value, bits, more):
    fewer, shards = 1 << bits, 1 << bits + more
    before, after = routing.shard_of(hash_value, fewer), routing.shard_of(hash_value, shards)
    assert 0 <= before < fewer
    assert routing.ancestor(after, shards, fewer) == before
    assert routing.shard_of(hash_value, 2 * fewer) in routing.split_targets(before, fewer)


def test_the_two_ends_of_the_hash_number_the_children_differently():
    assert Routing.LOW_BITS.split_targets(1, 4) == (1, 5)
    assert Routing.TOP_BITS.split_targets(1, 4) == (2, 3)
    # The doubled mask, which is right for the low bits, on a map by top bits:
    astray = 1 << 62
    assert Routing.TOP_BITS.shard_of(astray, 2) == 0
    assert Routing.TOP_BITS.shard_of(astray, 4) == 1 != astray & 3


@pytest.mark.parametrize("routing", list(Routing))
def test_one_shard_has_every_key(routing):
    assert {routing.shard_of(hash_value, 1) for hash_value in (0, 1, 2**63, 2**64 - 1)} == {0}


@pytest.mark.parametrize("routing", list(Routing))
def test_wrong_numbers_of_shards_are_refused(routing):
    with pytest.raises(ValueError, match="must be a power of two, not 6"):
        routing.shard_of(1, 6)
    with pytest.raises(ValueError, match="there is no shard 4 among 4"):
        routing.split_targets(4, 4)
    with pytest.raises(ValueError, match="8 shards are not fewer than 4"):
        routing.ancestor(0, 4, 8)


# -- hash functions


@pytest.mark.parametrize(
    ("function", "data", "expected"),
    [
        (fnv1a_64, b"", 0xCBF29CE484222325),
        (fnv1a_64, b"a", 0xAF63DC4C8601EC8C),
        (fnv1a_64, b"foobar", 0x85944171F73967E8),
        (xxh64, b"", 0xEF46DB3751D8E999),
        (xxh64, b"a", 0xD24EC4F1A98C6E5B),
        (xxh3_64, b"", 0x2D06800538D394C2),
        (shift_hash, b"", 0x5EADBEEF),
    ],
)
def test_published_values(function, data, expected):
    assert function(data) == expected


def literally(data):
    """The shift hash as it is usually printed."""
    h = 0xDEADBEEF
    for b in data:
        h ^= b
        h = (h << 5) + (h >> 2)
    return h & 0x7FFFFFFF


@given(st.binary(max_size=60))
def test_the_shift_hash_is_the_one_that_is_printed(data):
    assert shift_hash(data) == literally(data)


@given(st.binary(max_size=23))
def test_wrapping_changes_no_shift_hash_of_23_bytes(data):
    assert shift_hash_64(data) == shift_hash(data)


def test_wrapping_changes_shift_hashes_from_24_bytes_on():
    keys = [bytes(Random(seed).randbytes(24)) for seed in range(100)]
    assert all(shift_hash_64(key) != shift_hash(key) for key in keys)


def test_two_bytes_collide_under_the_shift_hash():
    assert shift_hash(b"\xb3\xdf") == shift_hash(b"\x8c\x30")
    assert len({shift_hash(bytes(pair)) for pair in product(range(256), repeat=2)}) == 8448


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_mixer_is_a_bijection(number):
    mixed = mixed_hash(HasHash(number))
    assert unmixed(mixed) == hash(HasHash(number)) & MASK_64


class HasHash:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return self.value


def unmixed(mixed):
    """The steps of the mixer undone, last first."""
    for shift, factor in [(31, 0x94D049BB133111EB), (27, 0xBF58476D1CE4E5B9)]:
        mixed = unshifted(mixed, shift) * pow(factor, -1, 1 << 64) & MASK_64
    return unshifted(mixed, 30)


def unshifted(mixed, shift):
    """The x with x ^ x >> shift == mixed."""
    x = mixed
    for _ in range(64 // shift):
        x = mixed ^ x >> shift
    return x


def test_equal_keys_have_one_mixed_hash_and_small_numbers_spread():
    assert mixed_hash(1) == mixed_hash(1.0) == mixed_hash(True)
    for routing in Routing:
        counts = Counter(routing.shard_of(mixed_hash(number), 16) for number in range(1600))
        assert len(counts) == 16 and max(counts.values()) < 150


# -- Java's Math.abs


@given(st.integers(-(2**31) + 1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_javas_abs_gives_an_index_for_every_other_hash(hash_code, segments):
    assert java_abs_remainder(hash_code, segments) == abs(hash_code) % segments


def test_javas_abs_fails_at_the_least_int():
    assert java_abs_remainder(-(2**31), 100) == -48
    assert java_abs_remainder(2**31, 100) == -48  # the same 32 bits
    assert all(java_abs_remainder(-(2**31), 1 << bits) == 0 for bits in range(31))


@pytest.mark.parametrize("segments", [0, -1, 2**31])
def test_a_number_of_segments_that_java_cannot_have(segments):
    with pytest.raises(ValueError, match=f"must be a positive 32-bit int, not {segments}"):
        java_abs_remainder(1, segments)


def test_javas_abs_is_not_the_mask_of_a_power_of_two():
    """`Math.abs(h) % 64` and `h & 63` are said to be the same; they are for no negative hash but the multiples of 32."""
    agree = [h for h in range(-64, 0) if java_abs_remainder(h, 64) == shard_of(h, 64)]
    assert agree == [-64, -32]
    assert all(java_abs_remainder(h, 64) == shard_of(h, 64) for h in range(256))


# -- what is no hash of the key


def test_the_31_bits_of_the_shift_hash_are_no_shard_yet():
    assert shift_hash(b"key") >= 64
    assert 0 <= shard_of(shift_hash(b"key"), 64) < 64


def test_the_address_of_a_parameter_is_no_hash():
    """Hashing where the key lies, and not what it is: a key is not found again, and few shards are ever used."""
    boxes = []

    def address(key):
        boxes.append([key])
        return id(boxes[-1])

    map_ = ShardedMap(shards=64, hash_key=address)
    for key in range(100):
        map_.store(key, key)
    assert map_.load(7) == (None, False)
    used = [shard for shard in map_.route.peek().slots if shard.count.peek()]
    assert len(used) <= 4, "addresses are aligned to 16 bytes, as those of Go's interface values are"
