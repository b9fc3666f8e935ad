"""Both maps against the sequential model: any list of operations gives the same answers, invariants throughout.

Each mutant is the map with one line of it wrong; the same search must tell it from the model, or it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import PlainDict
from mapproof.impl.sync_map import Box, Entry, ReadOnly, SyncMap
from mapproof.spec.model import MapModel, same_answer
from mapproof.spec.operations import SIGNATURES, Op

Call = tuple[Op, Any, tuple[Any, ...]]


class EqualHash:
    """A key whose hash is that of every other such key."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EqualHash) and other.name == self.name

    def __repr__(self) -> str:
        return f"EqualHash({self.name!r})"


KEYS = st.sampled_from(["a", "b", "", None, 0, EqualHash("x"), EqualHash("y")])
VALUES = st.sampled_from([None, 0, 1, "v"])


@st.composite
def calls(draw: st.DrawFn, operations: Sequence[Op]) -> Call:
    op = draw(st.sampled_from(operations))
    signature = SIGNATURES[op]
    return op, draw(KEYS) if signature.keyed else None, tuple(draw(VALUES) for _ in signature.arguments)


def programs(make: Callable[[], Any]) -> st.SearchStrategy[list[Call]]:
    operations = [op for op in Op if hasattr(make, op.value)]
    return st.lists(calls(operations), max_size=40)


def divergence(make: Callable[[], Any], program: list[Call]) -> str | None:
    """The first answer or state of the map that the model does not have, as a sentence."""
    model, state, map_ = MapModel(), MapModel.initial, make()
    for op, key, args in program:
        given_args = (key, *args) if SIGNATURES[op].keyed else args
        try:
            answer = getattr(map_, op.value)(*given_args)
            map_.check_invariants()
        except AssertionError as error:
            return f"{op}{given_args}: {error}"
        state, expected = model.invoke(state, op, key, args)
        if not same_answer(op, answer, expected):
            return f"{op}{given_args} answered {answer!r}, the model {expected!r}"
    left = map_.range()
    return None if same_answer(Op.RANGE, left, [list(pair) for pair in state.values()]) else f"left {left!r}"


@pytest.mark.parametrize("make", [SyncMap, RWMutexMap])
def test_any_operations_answer_as_the_model(make: Callable[[], Any]) -> None:
    @settings(max_examples=400, deadline=None)
    @given(programs(make))
    def check(program: list[Call]) -> None:
        assert divergence(make, program) is None

    check()


class CopiesWithoutExpunging(SyncMap[Any, Any]):
    def _dirty_locked(self) -> None:
        if self.dirty.read() is None:
            dirty: PlainDict[Any, Entry[Any]] = PlainDict()
            self.dirty.write(dirty)
            for key, entry in self._load_read_only().m.items():
                if entry.p.load() is not None:
                    dirty[key] = entry


class UnexpungesWithoutInserting(SyncMap[Any, Any]):
    def _unexpunge_locked(self, key: Any, entry: Entry[Any]) -> None:
        entry.unexpunge_locked()


class PromotesWithoutNewDirty(SyncMap[Any, Any]):
    def _promote_locked(self) -> ReadOnly[Any, Any]:
        read = ReadOnly(self._existing_dirty_locked(), amended=False)
        self.read.store(read)
        self.misses.write(0)
        return read


class NeverSaysAmended(SyncMap[Any, Any]):
    def _insert_locked(self, read: ReadOnly[Any, Any], key: Any, box: Box[Any]) -> None:
        self._dirty_locked()
        self._existing_dirty_locked()[key] = Entry(box)


class PromotesOneMissLate(SyncMap[Any, Any]):
    def _miss_locked(self) -> None:
        misses = self.misses.read()
        self.misses.write(misses + 1)
        if misses >= len(self._existing_dirty_locked()):
            self._promote_locked()


class ClearsOnlyRead(SyncMap[Any, Any]):
    def clear(self) -> None:
        with self.mu:
            self.read.store(ReadOnly(PlainDict(), amended=False))


class DeletesOnlyFromRead(SyncMap[Any, Any]):
    def load_and_delete(self, key: Any) -> tuple[Any, bool]:
        entry = self._load_read_only().m.get(key)
        return (None, False) if entry is None else entry.delete()


class TakesNoneForAbsent(RWMutexMap[Any, Any]):
    def load_or_store(self, key: Any, value: Any) -> tuple[Any, bool]:
        with self.mu.writing():
            if (actual := self.items.get(key)) is not None:
                return actual, True
            self.items[key] = value
            return value, False


class ForgetsToUnlock(RWMutexMap[Any, Any]):
    def load(self, key: Any) -> tuple[Any, bool]:
        self.mu.rlock()
        return self._get(key)


@pytest.mark.parametrize(
    "mutant",
    [
        CopiesWithoutExpunging,
        UnexpungesWithoutInserting,
        PromotesWithoutNewDirty,
        NeverSaysAmended,
        PromotesOneMissLate,
        ClearsOnlyRead,
        DeletesOnlyFromRead,
        TakesNoneForAbsent,
        ForgetsToUnlock,
    ],
)
def test_each_mutant_is_told_from_the_model(mutant: Callable[[], Any]) -> None:
    search = settings(
        max_examples=5000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    try:
        shortest = find(
            programs(mutant), lambda program: divergence(mutant, program) is not None, settings=search
        )
    except NoSuchExample:
        pytest.fail(f"{mutant} was not told from the model")
    assert len(shortest) <= 5
