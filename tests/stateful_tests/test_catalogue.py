"""The catalogue of scenarios finds sync.Map broken when one line of it is."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

import pytest

from mapproof.impl import sync_map
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue import (
    RWMUTEX_MAP,
    SYNC_MAP,
    explorations,
    explorations_of,
    program_of,
    scenario_of,
)
from mapproof.stateful_tests.scenarios import Call

NO_SECOND_LOOK = (
    """\
            with self.mu:
                read = self._load_read_only()
                entry = read.m.get(key)
                if entry is None and read.amended:
                    entry = self._get_dirty_locked(key)
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()
""",
    """\
            with self.mu:
                if self.dirty.read() is not None:
                    entry = self._get_dirty_locked(key)
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()
""",
)
DIRTY_STAYS = (
    """\
        self.read.store(read)
        self.dirty.write(None)
""",
    """\
        self.read.store(read)
""",
)
STAYS_EXPUNGED = (
    """\
        if entry.unexpunge_locked():
            self._existing_dirty_locked()[key] = entry
""",
    """\
        pass
""",
)


def broken_map(change: tuple[str, str]) -> Any:
    """SyncMap from its own source with one place changed."""
    source = inspect.getsource(sync_map)
    assert source.count(change[0]) == 1, "the text to break was not found exactly once"
    module = ModuleType("mapproof.impl._broken")
    sys.modules[module.__name__] = module  # where dataclasses look it up
    code = compile(source.replace(*change), "_broken.py", "exec")
    exec(code, module.__dict__)  # noqa: S102 - the source of this repository
    return module.SyncMap


@pytest.mark.parametrize(
    "change", [NO_SECOND_LOOK, DIRTY_STAYS, STAYS_EXPUNGED], ids=["no second look", "dirty stays", "expunged"]
)
def test_a_broken_sync_map_is_found(change: tuple[str, str]) -> None:
    results = [exploration.run() for exploration in explorations_of(broken_map(change), SYNC_MAP, bound=2)]
    failed = [result for result in results if result.verdict == "FAILED"]
    assert failed
    assert {result.verdict for result in results} <= {"FAILED", "EXHAUSTED"}
    assert all(result.counterexample for result in failed)


def test_every_scenario_is_explored_on_the_map_that_it_is_about() -> None:
    names = [exploration.name for exploration in explorations()]
    assert len(names) == len(set(names)) == len(SYNC_MAP) + len(RWMUTEX_MAP)
    assert {name.partition(":")[0] for name in names} == {"SyncMap", "RWMutexMap"}


def test_programs_are_read_as_they_are_written() -> None:
    assert program_of("store a 1; load a;range ; compare_and_swap b 1 2") == (
        Call(Op.STORE, "a", (1,)),
        Call(Op.LOAD, "a"),
        Call(Op.RANGE),
        Call(Op.COMPARE_AND_SWAP, "b", (1, 2)),
    )
    assert program_of("") == ()


def test_every_key_is_asked_for_at_the_end() -> None:
    scenario = scenario_of(adapter_for({}), "store a 1", "load b", "len")
    loads = (Call(Op.LOAD, "a"), Call(Op.LOAD, "b"))
    assert scenario.observers == (*loads, *loads, Call(Op.RANGE), Call(Op.LEN))
    assert scenario.threads == ((Call(Op.LOAD, "b"),), (Call(Op.LEN),))
