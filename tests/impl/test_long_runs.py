"""Some tenths of a second of real threads for each reference map; and the same runs find maps that are wrong.

For longer: `long` of `long_runs.py`, which the soak calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from long_runs import MAPS, Flavour, long, run

from mapproof.impl.guarded_map import GuardedMap
from mapproof.impl.plain_map import PlainMap
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.spec.claims import Claims
from mapproof.spec.evidence import Verdict


@pytest.mark.parametrize("name", MAPS)
def test_every_operation_under_real_threads_is_linearizable(name: str) -> None:
    outcomes = long(name, seconds=0.3)
    for outcome in outcomes:
        assert outcome.verdict is Verdict.LINEARIZABLE, str(outcome)
    operations = sum(outcome.operations for outcome in outcomes)
    overlapping = sum(outcome.overlapping for outcome in outcomes)
    assert operations > 500
    assert overlapping > operations // 10, "the threads hardly met"


def give_way() -> None:
    """Let another thread run, if one waits for the interpreter."""
    time.sleep(0)


class ForgetsDeletes(GuardedMap[Any, Any]):
    """Every 50th delete is lost."""

    deletes = 0

    def delete(self, key: Any) -> None:
        self.deletes += 1
        if self.deletes % 50:
            super().delete(key)


class ChecksThenActs(RWMutexMap[Any, Any]):
    """Others come in between the check and the act."""

    def load_or_store(self, key: Any, value: Any) -> tuple[Any, bool]:
        actual, loaded = self.load(key)
        give_way()
        if loaded:
            return actual, True
        self.store(key, value)
        return value, False


class SwapsAfterTheLock(RWMutexMap[Any, Any]):
    """The comparison is of a moment ago."""

    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool:
        matches = self.load(key) == (old, True)
        give_way()
        if matches:
            self.store(key, new)
        return matches


class RangesKeyByKey(RWMutexMap[Any, Any]):
    """Claims to be atomic, as its base does."""

    def range(self, f: Any = None) -> Any:  # type: ignore[override,unused-ignore]
        keys = [key for key, _ in super().range()]
        give_way()
        found = [(key, *self.load(key)) for key in keys]
        return [(key, value) for key, value, present in found if present]


class SharedWithoutALock(PlainMap[Any, Any]):
    claims: ClassVar[Claims] = Claims()


@pytest.mark.parametrize(
    ("factory", "flavour", "verdicts"),
    [
        (ForgetsDeletes, Flavour.UNIQUE_VALUES, [Verdict.VIOLATION]),
        (ChecksThenActs, Flavour.FEW_VALUES, [Verdict.VIOLATION]),
        (SwapsAfterTheLock, Flavour.FEW_VALUES, [Verdict.VIOLATION]),
        (RangesKeyByKey, Flavour.WHOLE_MAP, [Verdict.VIOLATION]),
        # It mostly dies of a fatal error, but may lose a key before its own checks notice.
        (SharedWithoutALock, Flavour.UNIQUE_VALUES, [Verdict.FAILED, Verdict.VIOLATION]),
    ],
)
def test_a_wrong_map_is_found(factory: Callable[[], Any], flavour: Flavour, verdicts: list[Verdict]) -> None:
    for seed in range(20):
        outcome = run(factory, 0.3, flavour, seed=seed, check_seconds=2.0)
        if outcome.verdict not in (Verdict.LINEARIZABLE, Verdict.UNKNOWN):
            break
    assert outcome.verdict in verdicts, str(outcome)
    assert outcome.account
