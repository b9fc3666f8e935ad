"""Any program of any map may be watched for calls that do not end when they are left alone."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest
from zoo import zoo_map

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync_map import SyncMap
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Checks, laboratory
from mapproof.stateful_tests.exploration import Walk, run_plan
from mapproof.stateful_tests.explorer.plan import Search, bounded
from mapproof.stateful_tests.obstruction import Alone, LeavingAlone
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.shrink import simplest_counterexample
from mapproof.stateful_tests.targets import target_of

pytestmark = pytest.mark.interpreter


class Locked(dict[Any, Any]):
    """Every write takes the one lock; reads do not."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.lock:
            dict.__setitem__(self, key, value)

    def get(self, key: Any, default: Any = None) -> Any:
        return dict.get(self, key, default)


class Spins(dict[Any, Any]):
    """A read waits in a loop until nobody writes."""

    writing = False

    def __setitem__(self, key: Any, value: Any) -> None:
        self.writing = True
        dict.__setitem__(self, key, value)
        self.writing = False

    def get(self, key: Any, default: Any = None) -> Any:
        while self.writing:
            pass
        return dict.get(self, key, default)


def watched(make: Any, alone: Alone, *programs: str, bound: int = 0) -> tuple[Walk, str]:
    """Every schedule within the bound with everybody left alone, and the headline of the simplest that fails."""
    target = target_of(make, make.__name__)
    with laboratory(target, Checks(alone=alone)) as lab:
        scenario = scenario_of(target.adapter, *programs)
        walk = run_plan(lab, scenario, Search(LeavingAlone(bound), "it"))
        assert FailureKind.PROGRESS in lab.watched_for
        if walk.failing is None:
            return walk, ""
        told = simplest_counterexample(lab, scenario, walk.failing).account
        return walk, told.partition("\n\n")[0]


def test_a_locked_map_fails_and_the_lock_and_its_holder_are_named() -> None:
    walk, told = watched(Locked, Alone(100), "", "store a 1", "store b 2")
    assert walk.failing is not None
    assert told.startswith("NO PROGRESS: client ")
    assert "waits to lock Lock made at " in told
    assert ", while the others are paused; client 1 is at test_obstruction.py:" in told
    assert told.count(", holding Lock made at ") == 1


def test_a_striped_map_fails() -> None:
    walk, told = watched(zoo_map("correct", "striped"), Alone(1_000), "", "store a 1", "load a")
    assert walk.failing is not None
    assert "while the others are paused" in told
    assert ", holding " in told


def test_a_spin_wait_fails() -> None:
    _, told = watched(Spins, Alone(50), "store a 1", "store a 2", "load a")
    assert "client 2's m.get('a', MISSING) has not ended after 50 steps of its own, while" in told
    assert "client 1 is at test_obstruction.py:" in told


def test_only_the_calls_that_are_asked_are_held_to_it() -> None:
    loads = Alone(100, ops=("load",))
    walk, _ = watched(Locked, loads, "", "store a 1", "store b 2; load b", "load a", bound=1)
    assert walk.failing is None
    assert walk.ended
    walk, _ = watched(Locked, Alone(100), "", "store a 1", "store b 2; load b", "load a", bound=1)
    assert walk.failing is not None


def test_a_load_of_a_sync_map_that_hits_ends_alone() -> None:
    programs = ("store a 1; load a", "load a", "store b 2; load b")
    hit = Alone(3, ops=("load",), clients=(1,))
    walk, _ = watched(SyncMap, hit, *programs, bound=1)
    assert walk.failing is None
    assert walk.ended
    _, told = watched(SyncMap, Alone(2, ops=("load",), clients=(1,)), *programs, bound=1)
    assert "has not ended after 2 steps of its own" in told


def test_without_leaving_alone_a_search_sees_less() -> None:
    """Each state in which the reader is stuck needs a preemption, which a bound of none forbids."""
    target = target_of(Spins, "Spins")
    with laboratory(target, Checks(alone=Alone(50))) as lab:
        scenario = scenario_of(target.adapter, "store a 1", "store a 2", "load a")
        assert run_plan(lab, scenario, bounded(0)).failing is None
        assert run_plan(lab, scenario, Search(LeavingAlone(0), "it")).failing is not None


def test_nobody_is_watched_for_it_unasked() -> None:
    target = target_of(Spins, "Spins")
    with laboratory(target) as lab:
        scenario = scenario_of(target.adapter, "store a 1", "store a 2", "load a")
        assert run_plan(lab, scenario, bounded(1)).failing is None
        assert FailureKind.PROGRESS not in lab.watched_for


def test_what_is_asked_is_said() -> None:
    assert str(Alone(1_000)) == "a call that does not end within 1,000 steps when it is left alone"
    assert str(Alone(9, ("load",))) == "a load that does not end within 9 steps when it is left alone"


def test_the_holder_is_told_of_a_lock_within_a_lock() -> None:
    _, told = watched(RWMutexMap, Alone(100), "", "store a 1", "store b 2", bound=1)
    assert "waits to lock mu.w, held by client 1, while the others are paused; client 1 is at " in told


def test_what_was_asked_is_kept_with_a_failure() -> None:
    checks = Checks(alone=Alone(20, ("load",)))
    assert msgspec.json.decode(msgspec.json.encode(checks), type=Checks) == checks
    assert msgspec.json.decode(b"{}", type=Checks).alone is None
