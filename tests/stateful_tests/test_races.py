"""The race detector on real runs of the simulation: what it is told, what it finds, and that it cries no wolf."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mapproof.impl.sync import (
    Mutex,
    Plain,
    watched_by,
)
from mapproof.spec.happens_before import Race
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.races import RaceDetector

Task = Callable[[], None]


def races(tasks: Callable[[], Sequence[Task]], bound: int = 99) -> list[Race]:
    """All that is found in some schedule within the bound; tasks are numbered from 1."""
    simulation, strategy = Simulation(), PreemptionBound(bound)
    found: list[Race] = []
    with watched_by(simulation):
        while strategy.begin():
            detector = RaceDetector()
            simulation.watcher, simulation.listener = detector.step, detector.effect
            fresh = dict(enumerate(tasks(), 1))
            for thread in fresh:
                detector.start(0, thread)
            simulation.run(fresh, strategy)
            found += detector.races
    return found


def test_an_unguarded_counter_races() -> None:
    def tasks() -> Sequence[Task]:
        total = Plain(0, "total")
        return [lambda: total.write(total.read() + 1)] * 2

    told = {str(race) for race in races(tasks)}
    assert len(told) == 6
    assert any("client 1 reads total at test_races.py" in text for text in told)


def test_a_guarded_counter_does_not() -> None:
    def tasks() -> Sequence[Task]:
        mu, total = Mutex("mu"), Plain(0, "total")

        def add() -> None:
            with mu:
                total.write(total.read() + 1)

        return [add] * 2

    assert races(tasks) == []
