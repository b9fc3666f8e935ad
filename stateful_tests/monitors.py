"""Checks of every step of a run: what a monitor is told, and the monitor of the invariants that hold at each step.

The idea: between two accesses every simulated thread stands still, so a check sees one state, and whatever is wrong
there was brought about by the one access that came before. That access, with its source line, is the explanation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, Protocol

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.simulation import Simulation, Watcher
from mapproof.stateful_tests.places import Place, place_of, said
from mapproof.stateful_tests.races import RaceDetector
from mapproof.stateful_tests.recording import FailureKind, Recording
from mapproof.stateful_tests.scenarios import Call


class Monitor(Protocol):
    """Watches the threads that run at once, and says in a sentence what is wrong, as soon as something is."""

    looked: bool
    """Whether there was anything that it could judge."""

    def arrived(self) -> str | None:
        """The state before a step: all that came before has happened, the step itself has not."""

    def step(self, client: int, doing: Any) -> str | None:
        """`client` is about to do this (see `simulation.Watcher`)."""

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        """What could not be known before the access (see `impl.sync.Hook.after`)."""


Monitors = Sequence[tuple[FailureKind, Monitor]]
"""Each with the kind of failure that its complaints are."""

MakeMonitor = Callable[[Simulation, Any], Monitor]
"""Makes a monitor of the run that the simulation is about to make on an object."""


class Watch:
    """Shows each step of one run to its monitors, and to who watches from outside; the first complaint ends it.

    `step` is a `Simulation.watcher` and `effect` a `Simulation.listener`.
    """

    def __init__(
        self, simulation: Simulation, monitors: Monitors, outside: Watcher | None, recording: Recording
    ) -> None:
        self._simulation = simulation
        self._monitors = monitors
        self._outside = outside
        self._recording = recording

    def wrong(self) -> bool:
        """Whether a monitor complains of the state as it is now; recorded if so."""
        return any(self._complains(kind, monitor.arrived()) for kind, monitor in self._monitors)

    def step(self, client: int, doing: Any) -> None:
        if self.wrong():
            self._simulation.stop()
        if self._outside is not None:
            self._outside(client, doing)
        for kind, monitor in self._monitors:
            if self._complains(kind, monitor.step(client, doing)):
                self._simulation.stop()

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        for _, monitor in self._monitors:
            monitor.effect(client, target, access, happened)

    def _complains(self, kind: FailureKind, complaint: str | None) -> bool:
        if complaint is not None:
            self._recording.fail(kind, complaint)
        return complaint is not None


def has_step_invariants(target: object) -> bool:
    """Whether the object says what holds of it at every step."""
    return callable(getattr(target, "step_invariants", None))


class StepInvariants:
    """Checks what an object's `step_invariants()` answered, and names the access that broke it."""

    def __init__(self, check: Callable[[], None], render: Callable[[Call], str]) -> None:
        self.looked = False
        self._check = check
        self._render = render
        self._calls: dict[int, Call] = {}
        self._last: tuple[int, Any, Place | None] | None = None

    def arrived(self) -> str | None:
        self.looked = True
        try:
            self._check()
        except AssertionError as broken:
            return f"{broken}; {self._account()}"
        return None

    def step(self, client: int, doing: Any) -> str | None:
        if isinstance(doing, Call):
            self._calls[client] = doing
        self._last = client, doing, place_of(doing)
        return None

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        pass

    def _account(self) -> str:
        if self._last is None:
            return "broken before the threads began"
        client, doing, place = self._last
        call = f"client {client}'s {self._render(self._calls[client])}"
        if place is None:
            return f"broken as {call} began"
        access = "" if isinstance(doing[0], CodeType) else f" ({said(doing)})"
        return f"broken by {call} at {place}{access}"


class Races:
    """Data races by happens-before between the threads that run at once. Client 0's setup comes before all that
    they do, its observers after: it races with nobody, and need not be heard."""

    def __init__(self) -> None:
        self.looked = False
        self._detector = RaceDetector()

    def arrived(self) -> str | None:
        races = self._detector.races
        return str(races[0]) if races else None

    def step(self, client: int, doing: Any) -> str | None:
        # Memory of Python code that is not made of `impl.sync` is not seen.
        self.looked = self.looked or (isinstance(doing, tuple) and isinstance(doing[1], Access))
        self._detector.step(client, doing)
        return self.arrived()

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        self._detector.effect(client, target, access, happened)
