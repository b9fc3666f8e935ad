"""The catalogue: read as it is written, and nothing goes wrong in it at any step of any schedule.

That its scenarios find a slip is seen in the mutants of the maps (tests/impl).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from mapproof.spec.evidence import Verdict
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue.sync_maps import RWMUTEX_MAP, SYNC_MAP, explorations
from mapproof.stateful_tests.catalogue.words import program_of, scenario_of
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.scenarios import Call


@pytest.mark.parametrize("exploration", list(explorations(bound=2)), ids=lambda exploration: exploration.name)
def test_no_step_of_any_schedule_races_or_breaks_an_invariant(exploration: Exhaustion) -> None:
    explored = replace(exploration, checks=Checks(races=True, invariants=True)).run()
    assert explored.verdict is Verdict.EXHAUSTED, explored.evidence()


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
