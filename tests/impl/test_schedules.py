"""As many schedules are run as are asked for: by `turns`, and by each room that should raise no alarm."""

from __future__ import annotations

import mutant_table
import pytest
from schedules import turns

from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.simulation import Simulation


@pytest.mark.parametrize(("choices", "bounded"), [(1, 2), (3, 8), (40, 10)])
def test_what_a_bound_leaves_is_random(choices: int, bounded: int) -> None:
    """With two threads there are two schedules of one choice, and eight of three choices within two preemptions."""
    ran = []
    for strategy in turns(30, 2, seed=1):
        current = None
        for _ in range(choices):
            current = strategy.choose(current, (1, 2), {})
        ran.append(type(strategy))
    assert len(ran) == 30
    assert ran[:bounded] == [PreemptionBound] * bounded
    assert ran[bounded:] == [(RandomWalk, Pct)[turn % 2] for turn in range(30 - bounded)]


@pytest.mark.parametrize("title", mutant_table.ROOMS)
def test_no_room_runs_fewer(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, run = 0, Simulation.run

    def counted(self: Simulation, tasks: object, *rest: object, **options: object) -> object:
        nonlocal runs
        runs += (
            isinstance(tasks, dict) and 0 not in tasks
        )  # client 0 runs alone, before the others and after them
        return run(self, tasks, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Simulation, "run", counted)
    assert mutant_table.ROOMS[title].alarms(300, seed=3) == []
    assert runs >= 290
