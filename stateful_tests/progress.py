"""Obstruction freedom, checked by pausing everybody else: an operation that runs alone from there must end soon.

The idea (Herlihy, Luchangco and Moir, ICDCS 2003): an operation is obstruction-free if it ends within a bounded number
of its own steps once the others stand still, wherever they stand. The bounded search goes through the states in which
the operation is running. Where its client may go on, one of the schedules lets it go on to the end without a switch;
where the bound forbids to switch to it, one more run does so, and never switches back. So every state is one from
which the client was left alone.

    Progress("a load that hits", target, scenario, client=1, most=3, bound=2).run()

Each call of the client must end within `most` steps (accesses of shared memory), must never wait, and unless
`locks` is true must not touch a lock at all.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapproof.spec.accesses import Access
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.execution import CANNOT_LOOK, Execution, Laboratory, Target, laboratory
from mapproof.stateful_tests.exploration import Explored, Walk, run_plan
from mapproof.stateful_tests.explorer.plan import Search
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.explorer.strategy import Doing, plainest
from mapproof.stateful_tests.places import place_of, said
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.trace import Counterexample, counterexample

_ALONE: Final = -1
"""The option of a choice that pauses all threads but one; no thread has this number."""

_TAKES: Final = frozenset({Access.LOCK, Access.R_LOCK})
_GIVES_BACK: Final = frozenset({Access.UNLOCK, Access.R_UNLOCK})
_LOCK: Final = frozenset({Access.LOCK, Access.TRY_LOCK, Access.ACQUIRE})


@dataclass(frozen=True, slots=True)
class Progress:
    """What to show: from every state of the scenario that at most `bound` preemptions reach, each call of `client`
    that is running ends alone, within `most` steps. `limit` bounds the number of runs."""

    name: str
    target: Target
    scenario: Scenario
    client: int
    most: int
    bound: int
    locks: bool = False
    limit: int = 100_000

    def run(self) -> Explored:
        """EXHAUSTED, FAILED with the state in which the client is stuck, SAMPLED when the limit came first, or
        INCONCLUSIVE with the reason."""
        started = time.perf_counter()
        try:
            with laboratory(self.target) as lab:
                lab.also_watch(FailureKind.PROGRESS, lambda simulation, _: _Alone(self, simulation))
                walk = self._search(lab, self.bound)
                failing = None if walk.failing is None else self._simplest(lab, walk.failing)
        except CANNOT_LOOK as trouble:
            return Explored(self.name, Verdict.INCONCLUSIVE, str(trouble), time.perf_counter() - started)
        scope = f"preemptions <= {self.bound}: {self._words(walk.verdict, walk.runs)} of one scenario"
        return Explored(self.name, walk.verdict, scope, time.perf_counter() - started, failing)

    def _search(self, lab: Laboratory, bound: int) -> Walk:
        plan = Search(_LeavingAlone(bound, self.client), f"preemptions <= {bound}")
        return run_plan(lab, self.scenario, plan, limit=self.limit)

    def _simplest(self, lab: Laboratory, failing: Execution) -> Counterexample:
        simpler = (self._search(lab, bound).failing for bound in range(self.bound))
        return counterexample(lab, self.scenario, next(filter(None, simpler), failing))

    def _words(self, verdict: Verdict, runs: int) -> str:
        ends = f"alone within {self.most} steps{'' if self.locks else ' and without a lock'}"
        match verdict:
            case Verdict.FAILED:
                return f"not {ends} in schedule {runs:,}"
            case Verdict.SAMPLED:
                return f"{ends} from the states of the first {runs:,} schedules"
            case _:
                return f"{ends} from every state of all {runs:,} schedules"


class _LeavingAlone(PreemptionBound):
    """Every schedule within the bound; and, wherever it forbids to go on with the client, one with nobody else."""

    def __init__(self, bound: int, client: int) -> None:
        super().__init__(bound)
        self._client = client

    def begin(self) -> bool:
        self._alone = False
        return super().begin()

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        if self._alone:
            return self._client if self._client in enabled else plainest(current, enabled)
        chosen = super().choose(current, enabled, doing)
        if chosen != _ALONE:
            return chosen
        self._alone = True
        return self._client

    def _options(self, current: int | None, enabled: Sequence[int]) -> tuple[int, ...]:
        options = super()._options(current, enabled)
        forbidden = self._client in enabled and self._client not in options
        return (_ALONE, *options) if forbidden else options


class _Alone:
    """Counts the steps that the client makes while nobody else makes one, and sees whether it must wait."""

    def __init__(self, progress: Progress, simulation: Simulation) -> None:
        self.looked = True
        self._progress = progress
        self._simulation = simulation
        self._call: Call | None = None
        self._steps = 0
        self._held: defaultdict[int, list[str]] = defaultdict(list)

    def arrived(self) -> str | None:
        me = None if self._call is None else self._simulation.standing(self._progress.client)
        if me is None or me.waits is None:
            return None
        return self._stuck(f"waits to {me.waits.access} {me.waits.target}")

    def step(self, client: int, doing: Any) -> str | None:
        wrong = None
        if client == self._progress.client:
            wrong = self._own_step(doing)
        else:
            self._others_step()
        if isinstance(doing, tuple) and getattr(doing[0], "synchronizes", True):
            self._note(client, *doing)
        return wrong

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        if happened:
            self._note(client, target, Access.LOCK if access is Access.TRY_LOCK else access)

    def _own_step(self, doing: Any) -> str | None:
        if isinstance(doing, Call):
            self._call, self._steps = doing, 0
            return None
        self._steps += 1
        if self._steps > self._progress.most:
            return self._stuck(f"has not ended after {self._progress.most} steps of its own")
        if not self._progress.locks and _is_of_lock(doing):
            return self._stuck(f"touches a lock ({said(doing)})")
        return None

    def _others_step(self) -> None:
        self._steps = 0
        if self._simulation.standing(self._progress.client) is None:
            self._simulation.stop()  # what the others do from here on is of no interest

    def _note(self, client: int, target: object, access: Any) -> None:
        held = self._held[client]
        if access in _TAKES:
            held.append(_name(target))
        elif access in _GIVES_BACK and _name(target) in held:
            held.remove(_name(target))

    def _stuck(self, how: str) -> str:
        assert self._call is not None, "only a call can be stuck"
        clients = (i for i, calls in enumerate(self._progress.scenario.threads, 1) if calls)
        where = "".join(f"; client {client} {self._where(client)}" for client in clients)
        call = self._progress.target.render(self._call)
        return f"client {self._progress.client}'s {call} {how}, while the others are paused{where}"

    def _where(self, client: int) -> str:
        stands = self._simulation.standing(client)
        if stands is None:
            return "has ended"
        if stands.doing is None:
            return "has not begun"
        if isinstance(stands.doing, Call):
            return f"is about to call {self._progress.target.render(stands.doing)}"
        place = place_of(stands.doing, stands.frame)
        held = f", holding {' and '.join(self._held[client])}" if self._held[client] else ""
        return f"is at {place}{held}"


def _is_of_lock(doing: Any) -> bool:
    """Whether the access is one of a lock, or of a word that a lock is made of."""
    target, access = doing
    return access in _LOCK or not getattr(target, "synchronizes", True)


def _name(target: object) -> str:
    return getattr(target, "name", type(target).__name__)
