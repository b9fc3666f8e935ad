"""The reference maps under the kit's own tests. Shipped: `pytest --pyargs mapproof.stateful_tests`.

`--map-class pkg.mod:attr` runs the conformance check on a map of yours as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from mapproof.impl.guarded_map import GuardedMap
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync_map import SyncMap
from mapproof.impl.trie_map import TrieMap
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue.sync_maps import explorations
from mapproof.stateful_tests.conformance import check_map
from mapproof.stateful_tests.execution import laboratory
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.machines import machine_for
from mapproof.stateful_tests.scenarios import scenarios, schedules
from mapproof.stateful_tests.targets import target_of

REFERENCE_MAPS = [SyncMap, TrieMap, RWMutexMap, GuardedMap, ShardedMap]
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("factory", REFERENCE_MAPS)
def test_sequential_programs_agree_with_the_model(factory: Callable[[], Any]) -> None:
    run_state_machine_as_test(machine_for(factory, adapter_for(factory())), settings=quick)


@pytest.mark.parametrize("factory", REFERENCE_MAPS)
@given(data=st.data())
@quick
def test_drawn_scenarios_in_drawn_schedules_are_linearizable(
    factory: Callable[[], Any], data: st.DataObject
) -> None:
    target = target_of(factory, factory.__name__)
    scenario = data.draw(scenarios(target.adapter, target.keys), "scenario")
    schedule = data.draw(schedules(), "schedule")
    strategy = Replay(schedule)
    strategy.begin()
    with laboratory(target) as lab:
        assert lab.run(scenario, strategy).failure is None


@pytest.mark.parametrize("exploration", list(explorations(bound=2)), ids=lambda exploration: exploration.name)
def test_no_schedule_of_the_catalogue_goes_wrong(exploration: Exhaustion) -> None:
    explored = exploration.run()
    assert explored.verdict is Verdict.EXHAUSTED, explored.evidence()


def test_the_map_of_the_command_line(map_class: Callable[[], Any], request: pytest.FixtureRequest) -> None:
    option = request.config.getoption
    check_map(map_class, budget=option("--map-budget"), seed=option("--map-seed"))
