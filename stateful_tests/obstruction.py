"""Obstruction freedom as one more thing that a run is watched for: a call that is left alone must end soon.

The idea (Herlihy, Luchangco and Moir, ICDCS 2003): an operation is obstruction-free if it ends within a bounded number
of its own steps once the others stand still, wherever they stand. A call that waits would wait for ever then, and is
complained of at once; one that runs is counted until somebody else makes a step. `LeavingAlone` is the search that
lets each client go on alone from every state that it reaches. No map that takes a lock passes, which is as it must be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.endings import Wait
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.simulation import FIRST_SPAWNED, Simulation
from mapproof.stateful_tests.explorer.strategy import Doing, plainest
from mapproof.stateful_tests.places import place_of, said
from mapproof.stateful_tests.scenarios import Call

_TAKES: Final = frozenset({Access.LOCK, Access.R_LOCK})
_GIVES_BACK: Final = frozenset({Access.UNLOCK, Access.R_UNLOCK})
_LOCK: Final = frozenset({Access.LOCK, Access.TRY_LOCK, Access.ACQUIRE})


@dataclass(frozen=True, slots=True)
class Alone:
    """What is asked: each call of `ops` (of all, if there are none) by `clients` (likewise) ends within `steps` of its own
    when it is left alone, never has to wait, and unless `locks` does not touch a lock at all."""

    steps: int
    ops: tuple[str, ...] = ()
    clients: tuple[int, ...] = ()
    locks: bool = True

    def __str__(self) -> str:
        calls = " and ".join(self.ops) if self.ops else "call"
        return f"a {calls} that does not end within {self.steps:,} steps when it is left alone"

    def holds_for(self, client: int, call: Call) -> bool:
        """Whether it is asked of this call."""
        return (not self.clients or client in self.clients) and (not self.ops or call.op in self.ops)


class LeavingAlone(PreemptionBound):
    """Every schedule within the bound; and, wherever it forbids to go on with one of the clients (with any of them, if
    none are named), one with nobody else."""

    def __init__(self, bound: int, clients: Collection[int] = ()) -> None:
        super().__init__(bound)
        self._clients = frozenset(clients)

    def begin(self) -> bool:
        self._alone: int | None = None
        return super().begin()

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        if self._alone is not None:
            return self._alone if self._alone in enabled else plainest(current, enabled)
        chosen = super().choose(current, enabled, doing)
        if chosen >= 0:
            return chosen
        self._alone = -chosen
        return self._alone

    def _options(self, current: int | None, enabled: Sequence[int]) -> tuple[int, ...]:
        """A thread; or, as a number below 0, a client from which nothing switches away any more."""
        options = super()._options(current, enabled)
        forbidden = (client for client in enabled if self._is_asked(client) and client not in options)
        return (*(-client for client in forbidden), *options)

    def _is_asked(self, client: int) -> bool:
        return client in self._clients if self._clients else client < FIRST_SPAWNED


class LeftAlone:
    """Counts the steps that a call makes while nobody else makes one, and sees whether it must wait. With
    `stops_after_them` the run ends when the clients that are asked have: what the others do is of no interest then."""

    def __init__(
        self,
        alone: Alone,
        simulation: Simulation,
        render: Callable[[Call], str],
        *,
        stops_after_them: bool = False,
    ) -> None:
        self.looked = True
        self._alone = alone
        self._simulation = simulation
        self._render = render
        self._stops = stops_after_them
        self._calls: dict[int, Call] = {}
        self._running: int | None = None
        self._steps = 0
        self._seen: set[int] = set()
        self._held: defaultdict[int, list[str]] = defaultdict(list)

    def arrived(self) -> str | None:
        for client, call in self._calls.items():
            stands = self._simulation.standing(client)
            if stands is not None and stands.waits is not None:
                return self._stuck(client, call, self._waits(stands.waits))
        return None

    def _waits(self, wait: Wait) -> str:
        """What a call waits for; and who has that, unless it is told with where that client is."""
        told = any(wait.target in names for names in self._held.values())
        holder = "" if told or wait.holder is None else f", held by client {wait.holder}"
        return f"waits to {wait.access} {wait.target}{holder}"

    def step(self, client: int, doing: Any) -> str | None:
        self._seen.add(client)
        if client != self._running:
            self._running, self._steps = client, 0
        wrong = None
        if isinstance(doing, Call):
            self._begun(client, doing)
        else:
            wrong = self._own_step(client, doing)
        if self._stops and client not in self._alone.clients:
            self._stop_if_they_have_ended()
        if isinstance(doing, tuple) and getattr(doing[0], "synchronizes", True):
            self._note(client, *doing)
        return wrong

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        if happened:
            self._note(client, target, Access.LOCK if access is Access.TRY_LOCK else access)

    def _begun(self, client: int, call: Call) -> None:
        self._steps = 0
        self._calls.pop(client, None)
        if self._alone.holds_for(client, call):
            self._calls[client] = call

    def _own_step(self, client: int, doing: Any) -> str | None:
        call = self._calls.get(client)
        if call is None:
            return None
        self._steps += 1
        if self._steps > self._alone.steps:
            return self._stuck(client, call, f"has not ended after {self._alone.steps} steps of its own")
        if not self._alone.locks and _is_of_lock(doing):
            return self._stuck(client, call, f"touches a lock ({said(doing)})")
        return None

    def _stop_if_they_have_ended(self) -> None:
        if all(self._simulation.standing(client) is None for client in self._alone.clients):
            self._simulation.stop()

    def _note(self, client: int, target: object, access: Any) -> None:
        held = self._held[client]
        if access in _TAKES:
            held.append(_name(target))
        elif access in _GIVES_BACK and _name(target) in held:
            held.remove(_name(target))

    def _stuck(self, client: int, call: Call, how: str) -> str:
        others = sorted({*self._seen, *self._simulation.live})
        where = "".join(f"; client {other} {self._where(other)}" for other in others)
        return f"client {client}'s {self._render(call)} {how}, while the others are paused{where}"

    def _where(self, client: int) -> str:
        stands = self._simulation.standing(client)
        if stands is None:
            return "has ended"
        if stands.doing is None:
            return "has not begun"
        if isinstance(stands.doing, Call):
            return f"is about to call {self._render(stands.doing)}"
        place = place_of(stands.doing, stands.frame)
        held = f", holding {' and '.join(self._held[client])}" if self._held[client] else ""
        return f"is at {place}{held}"


def _is_of_lock(doing: Any) -> bool:
    """Whether the access is one of a lock, or of a word that a lock is made of."""
    target, access = doing
    return access in _LOCK or not getattr(target, "synchronizes", True)


def _name(target: object) -> str:
    return getattr(target, "name", type(target).__name__)
