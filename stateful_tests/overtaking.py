"""Fairness of a readers-writer lock: bounds on overtaking that every schedule of a few threads must keep.

The idea: "a waiting writer is not starved" speaks of runs without end, but the protocol promises more (Courtois,
Heymans and Parnas, CACM 1971), and that shows in a finite run: between the moment when a writer announces itself and
the moment when it gets the lock, *exactly* as many readers get it as had asked for it before.

    no more     a writer is not overtaken by readers that ask later
    no fewer    readers that wait for one writer are not overtaken by the next

Which readers those are is a promise of its own (`by_name`), and Go's protocol makes it to a single writer only: its
semaphores know no names, so a reader that asks late may take the permit of one that is just being woken, which
then waits for the next writer as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mapproof.impl.sync import RWMutex
from mapproof.spec.accesses import Access
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.execution import CANNOT_LOOK, NO_CHECKS
from mapproof.stateful_tests.exploration import Explored, run_plan
from mapproof.stateful_tests.explorer.plan import bounded
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.monitors import Monitor
from mapproof.stateful_tests.objects import Invocation, ObjectScenario, object_laboratory
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Call
from mapproof.stateful_tests.trace import counterexample

_READ = (Invocation("rlock"), Invocation("runlock"))
_WRITE = (Invocation("lock"), Invocation("unlock"))


@dataclass(frozen=True, slots=True)
class Overtaking:
    """What to run: clients 1 to `writers` take the lock once to write, the `readers` after them take it so many
    `rounds` to read; every schedule with at most `bound` preemptions, at most `limit` of them."""

    make: Callable[[], RWMutex]
    writers: int
    readers: int
    rounds: int
    bound: int
    by_name: bool = False
    limit: int = 100_000

    @property
    def name(self) -> str:
        return f"RWMutex: {self.writers} to write and {self.readers} to read, {self.rounds} times"

    def run(self) -> Explored:
        """EXHAUSTED, FAILED (of overtaking, or of a deadlock), SAMPLED, or INCONCLUSIVE with the reason."""
        started = time.perf_counter()
        threads = (_WRITE,) * self.writers + (_READ * self.rounds,) * self.readers
        scenario = ObjectScenario(self.name, self.make, threads, checks=NO_CHECKS)
        try:
            with object_laboratory(scenario) as lab:
                lab.also_watch(FailureKind.PROGRESS, self._monitor)
                walk = run_plan(lab, scenario.program, bounded(self.bound), limit=self.limit)
                failing = (
                    None if walk.failing is None else counterexample(lab, scenario.program, walk.failing)
                )
        except CANNOT_LOOK as trouble:
            return Explored(self.name, Verdict.INCONCLUSIVE, str(trouble), time.perf_counter() - started)
        scope = f"preemptions <= {self.bound}: {_words(walk.verdict, walk.runs)}"
        return Explored(self.name, walk.verdict, scope, time.perf_counter() - started, failing)

    def _monitor(self, simulation: Simulation, mutex: RWMutex) -> Monitor:
        return _Order(mutex, self.by_name)


def _words(verdict: Verdict, runs: int) -> str:
    if verdict is Verdict.FAILED:
        return f"schedule {runs:,}"
    which = "all" if verdict is Verdict.EXHAUSTED else "the first"
    return f"nobody is overtaken in {which} {runs:,} schedules"


class _Order:
    """Who asked for the lock and who got it, as the lock and its readerCount tell."""

    def __init__(self, mutex: RWMutex, by_name: bool) -> None:
        self.looked = True
        self._count = mutex.reader_count
        self._by_name = by_name
        self._calls: dict[int, str] = {}
        self._asking: set[int] = set()
        """Readers that have counted themselves and do not have the lock."""
        self._writer: int | None = None
        """The writer that has announced itself and does not have the lock."""
        self._before: set[int] = set()
        """The readers that asked before it; and how many may still get the lock before it does:"""
        self._left = 0
        self._wrong: str | None = None

    def arrived(self) -> str | None:
        return self._wrong

    def step(self, client: int, doing: Any) -> str | None:
        if isinstance(doing, Call):
            self._calls[client] = doing.op
        elif doing == (self._count, Access.ADD):
            self._counts(client, self._calls[client])
        return None

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        if access is Access.R_LOCK:
            self._reader_enters(client)
        elif access is Access.LOCK:
            self._writer_enters(client)

    def _counts(self, client: int, call: str) -> None:
        if call == "rlock":
            self._asking.add(client)
        elif call == "lock":
            self._writer, self._before, self._left = client, set(self._asking), len(self._asking)

    def _reader_enters(self, reader: int) -> None:
        self._asking.discard(reader)
        if self._writer is None:
            return
        self._left -= 1
        if self._left < 0 or (self._by_name and reader not in self._before):
            self._wrong = (
                f"client {reader} got the lock to read before client {self._writer}, which had announced before "
                "that it wants to write"
            )

    def _writer_enters(self, writer: int) -> None:
        waiting = sorted(self._before & self._asking)
        if self._left > 0:
            names = " and ".join(f"client {reader}" for reader in waiting)
            self._wrong = (
                f"client {writer} got the lock to write before {names}, which had asked before to read"
            )
        self._writer, self._left = None, 0
