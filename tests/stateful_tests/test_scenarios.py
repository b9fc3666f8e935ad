"""Drawn scenarios are well formed, and what is drawn is varied."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from maps_to_test import CheckThenAct

from mapproof.impl.sync_map import SyncMap
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import Adapter, adapter_for
from mapproof.stateful_tests.execution import laboratory
from mapproof.stateful_tests.explorer.plan import plan_named
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.scenarios import KEYS as KEYS_NEEDED
from mapproof.stateful_tests.scenarios import Scenario, pairs, scenarios, schedules, triples
from mapproof.stateful_tests.targets import target_of

KEYS = tuple(range(KEYS_NEEDED))
ADAPTERS = [adapter_for(SyncMap()), adapter_for({}), adapter_for({}).only(frozenset({Op.LEN, Op.CLEAR}))]
quick = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@given(data=st.data(), adapter=st.sampled_from(ADAPTERS))
@quick
def test_a_drawn_scenario_is_well_formed(data: Any, adapter: Adapter) -> None:
    scenario = data.draw(scenarios(adapter, KEYS))
    assert len(scenario.threads) >= 2
    assert all(thread for thread in scenario.threads)
    for call in scenario.calls():
        signature = SIGNATURES[call.op]
        assert call.op in adapter.forms
        assert 0 <= call.form < len(adapter.forms[call.op])
        assert len(call.args) == len(signature.arguments)
        assert (call.key in KEYS) if signature.keyed else (call.key is None)
    assert all(not SIGNATURES[call.op].mutates for call in scenario.observers)


@given(data=st.data())
@quick
def test_every_value_is_stored_once_and_compares_ask_for_one_of_their_key(data: Any) -> None:
    scenario = data.draw(scenarios(ADAPTERS[0], KEYS))
    stores = [
        (call.key, call.args[-1])
        for call in scenario.calls()
        if SIGNATURES[call.op].arguments[-1:] in (("value",), ("new",))
    ]
    assert len({value for _, value in stores}) == len(stores)
    for call in scenario.calls():
        if SIGNATURES[call.op].arguments[:1] == ("old",):
            of_its_key = [value for key, value in stores if key == call.key] or [0]
            assert call.args[0] in of_its_key


def has_twins(scenario: Scenario) -> bool:
    """Every thread runs the same operations, several of them."""
    shapes = [[(call.op, call.key) for call in thread] for thread in scenario.threads]
    return len(shapes[0]) > 1 and all(shape == shapes[0] for shape in shapes)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda s: len(s.threads) == 3,
        lambda s: len({call.key for thread in s.threads for call in thread if call.key is not None}) == 2,
        lambda s: len(s.setup) >= 32,
        has_twins,
        lambda s: any(call.form == 1 for call in s.calls()),
        lambda s: not s.setup,
        lambda s: {call.op for call in s.calls()} >= {Op.CLEAR, Op.RANGE},
    ],
)
def test_what_is_wanted_is_drawn(wanted: Any) -> None:
    drawn = settings(quick, max_examples=2_000)
    try:
        find(scenarios(ADAPTERS[1], KEYS), wanted, settings=drawn)
    except NoSuchExample:
        pytest.fail("it was never drawn")


@pytest.mark.parametrize("most", [2, 3, 4])
def test_as_many_threads_are_drawn_as_are_asked_for(most: int) -> None:
    drawn = scenarios(ADAPTERS[1], KEYS, max_threads=most)
    chosen = settings(quick, max_examples=1_000)
    smallest = find(drawn, lambda scenario: len(scenario.threads) == most, settings=chosen)
    assert [len(thread) for thread in smallest.threads] == [1] * most
    assert not smallest.setup
    with pytest.raises(NoSuchExample):
        find(drawn, lambda scenario: not 2 <= len(scenario.threads) <= most, settings=quick)


@pytest.mark.parametrize("seed", range(3))
def test_a_known_bug_shrinks_to_its_smallest_scenario(seed: int) -> None:
    """A `setdefault` and a store of its key, on an empty map, whatever seed it was found by."""
    target = target_of(CheckThenAct, "CheckThenAct")
    with laboratory(target) as lab:

        def fails(scenario: Scenario) -> bool:
            plan = islice(plan_named("preemptions1"), 40)
            return any(lab.run(scenario, strategy).failure is not None for strategy in plan)

        drawn = scenarios(target.adapter, target.keys, max_threads=4)
        smallest = find(
            drawn, fails, settings=settings(quick, derandomize=False, max_examples=2_000), random=Random(seed)
        )
    assert not smallest.setup
    one, other = ([call.op for call in thread] for thread in smallest.threads)
    assert other == [Op.LOAD_OR_STORE]
    assert one in ([Op.STORE], [Op.LOAD_OR_STORE])
    assert len({call.key for thread in smallest.threads for call in thread}) == 1


@pytest.mark.parametrize("seed", range(4))
def test_schedules_shrink_to_fewer_switches_and_then_to_earlier_ones(seed: int) -> None:
    def late(schedule: Schedule) -> bool:
        return sum(index > 10 for index, _ in schedule.switches) >= 2

    chosen = settings(quick, derandomize=False, max_examples=2_000)
    smallest = find(schedules(threads=3, longest=50), late, settings=chosen, random=Random(seed))
    assert smallest == Schedule(((11, 1), (12, 1)))


@given(drawn=schedules(threads=3, longest=50))
@quick
def test_drawn_schedules_are_written_and_read(drawn: Schedule) -> None:
    assert len(drawn.switches) <= 4
    assert list(drawn.switches) == sorted(set(drawn.switches))
    assert len({index for index, _ in drawn.switches}) == len(drawn.switches)
    assert all(0 <= index <= 50 and 1 <= thread <= 3 for index, thread in drawn.switches)
    assert Schedule.parse(str(drawn)) == drawn


# -- little programs


def test_little_programs_come_before_drawn_ones_and_are_all_different() -> None:
    adapter = target_of(dict, "dict").adapter
    keys = tuple(range(KEYS_NEEDED))
    two, three = list(pairs(adapter, keys)), list(triples(adapter, keys))
    assert all(sum(map(len, scenario.threads)) == 2 for scenario in two)
    assert all(sum(map(len, scenario.threads)) == 3 for scenario in three)
    assert len({repr(scenario) for scenario in (*two, *three)}) == len(two) + len(three)
    assert len(two) < 100
    assert len(three) < 100


def test_every_operation_meets_every_other_that_changes_something() -> None:
    adapter = target_of(dict, "dict").adapter
    met = {
        frozenset(call.op for thread in scenario.threads for call in thread)
        for scenario in pairs(adapter, tuple(range(KEYS_NEEDED)))
    }
    changes = [op for op in adapter.forms if op not in (Op.LOAD, Op.LEN, Op.RANGE)]
    assert all(frozenset((op, change)) in met for op in adapter.forms for change in changes)
