"""Every outcome of the little programs is reached, and none that cannot be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import little_programs as programs
import pytest
import untraced
from exploring import explore, outcomes

from mapproof.stateful_tests.explorer.opcode_events import opcode_events
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound

pytestmark = pytest.mark.interpreter

FILES = [programs.FILE]
TWO_WINNERS = {(1, 1), (2, 2), (1, 2)}

OUTCOMES: dict[Any, set[Any]] = {
    programs.missing_key: TWO_WINNERS,
    programs.get_is_none: TWO_WINNERS,
    programs.attribute_is_none: TWO_WINNERS,
    programs.lost_update: {1, 2},
    programs.lost_update_of_an_item: {1, 2},
    programs.global_counter: {1, 2},
    programs.nonlocal_counter: {1, 2},
    programs.length_is_zero: {(1,), (2,), (1, 2)},
    programs.opposite_locks: {"finished", "deadlock"},
    programs.list_alias: {(1, 1, 2, 2), (1, 2, 1, 2), (1, 2, 2, 1), (2, 2, 1, 1), (2, 1, 2, 1), (2, 1, 1, 2)},
    programs.lost_update_elsewhere: {2},
}
"""By thought, not by running: what can come out of each program in any interleaving."""


@pytest.mark.parametrize("program", OUTCOMES, ids=lambda program: program.__name__)
def test_exactly_the_possible_outcomes_are_reached(program: Any) -> None:
    assert outcomes(program, files=FILES, bound=4) == OUTCOMES[program]


def test_three_threads_lose_two_updates() -> None:
    assert outcomes(programs.lost_update_of_three, files=FILES, bound=2) == {1, 2, 3}


@pytest.mark.parametrize("program", OUTCOMES, ids=lambda program: program.__name__)
def test_without_preemptions_there_are_only_whole_turns(program: Any) -> None:
    found = [ending for ending, _ in explore(program, PreemptionBound(0), files=FILES)]
    assert [str(ending.schedule) for ending in found] == ["-", "0:2"]


def test_code_becomes_a_switch_point_when_its_file_is_named() -> None:
    assert outcomes(programs.lost_update_elsewhere, files=[*FILES, untraced.__file__]) == {1, 2}


def test_a_second_instrument_finds_the_same_schedules() -> None:
    def schedules() -> list[str]:
        found = explore(programs.missing_key, PreemptionBound(2), files=FILES)
        return [f"{ending.schedule} {outcome}" for ending, outcome in found]

    first = schedules()
    assert len(first) > 10
    assert schedules() == first


def test_hook_and_opcodes_reach_the_same_outcomes() -> None:
    by_hook, by_opcodes = outcomes(programs.primitives), outcomes(programs.primitives, files=FILES, bound=3)
    assert by_hook == by_opcodes
    assert {total for _, total in by_hook} == {1, 2, 3}
    assert {answers for answers, _ in by_hook} == {(0, 1), (2, 0)}


def test_nothing_is_traced_outside_of_the_block() -> None:
    with opcode_events(FILES):
        pass
    assert sys.gettrace() is None
    if sys.version_info >= (3, 12):
        assert sys.monitoring.get_tool(3) is None


LOSE_THE_TRACE_FUNCTION = """
import sys
from mapproof.stateful_tests.explorer.opcode_events import opcode_events
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.explorer.strategy import Schedule

with opcode_events(["some_file.py"]) as instrument:
    task = lambda: sys.settrace(None)
    Simulation(instrument).run({1: task, 2: task}, Replay(Schedule()))
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="sys.monitoring has no trace function to lose")
def test_a_lost_trace_function_is_noticed() -> None:
    # In a process of its own, which cannot trace again afterwards.
    command = [sys.executable, "-c", LOSE_THE_TRACE_FUNCTION]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "TracingLost: tracing was switched off during a run" in ended.stderr
