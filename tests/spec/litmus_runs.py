"""Runs the programs of litmus tests on the primitives of `impl.sync`, in every schedule within a bound.

The idea: each thread is a simulated one that does its instructions on real objects. So what occurs, and whether the
race detector finds a race, can be laid beside what the memory model allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from mapproof.impl.sync import AtomicInt, Mutex, Plain, RWMutex, Semaphore, watched_by
from mapproof.spec.accesses import Access
from mapproof.spec.memory_model import (
    STUCK,
    Instruction,
    Life,
    Outcome,
    Program,
    outcomes,
    registers,
    started_by_others,
)
from mapproof.stateful_tests.explorer.endings import Outcome as Ended
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.races import RaceDetector

KINDS: Mapping[Access, Callable[[int, str], Any]] = {
    Access.READ: Plain,
    Access.WRITE: Plain,
    Access.LOAD: AtomicInt,
    Access.STORE: AtomicInt,
    Access.SWAP: AtomicInt,
    Access.ADD: AtomicInt,
    Access.COMPARE_AND_SWAP: AtomicInt,
    Access.LOCK: lambda _, name: Mutex(name),
    Access.TRY_LOCK: lambda _, name: Mutex(name),
    Access.R_LOCK: lambda _, name: RWMutex(name),
    Access.ACQUIRE: Semaphore,
    Access.RELEASE: Semaphore,
}


class Gate:
    """What a simulated thread waits at until it is started, and its joiner until it has ended; orders nothing."""

    synchronizes = False

    def __init__(self) -> None:
        self.started = False
        self.ended = False


class Execution:
    """One execution of a program, on fresh objects."""

    def __init__(self, program: Program, simulation: Simulation, detector: RaceDetector) -> None:
        self.program = program
        self.simulation = simulation
        self.detector = detector
        accesses: dict[str, set[Any]] = {}
        for one in (one for thread in program for one in thread):
            accesses.setdefault(str(one.target), set()).add(one.access)
        self.objects = {name: made(name, kinds) for name, kinds in accesses.items()}
        self.gates = {thread: Gate() for thread in range(1, len(program) + 1)}
        self.registers: dict[tuple[int, str], Any] = {}
        for thread, gate in self.gates.items():
            if thread not in started_by_others(program):
                gate.started = True
                detector.start(0, thread)

    def tasks(self) -> dict[int, Callable[[], None]]:
        return {thread: lambda thread=thread: self.run(thread) for thread in self.gates}  # type: ignore[misc]

    def outcome(self) -> Outcome:
        return tuple(self.registers.get(pair) for pair in registers(self.program))

    def run(self, thread: int) -> None:
        gate = self.gates[thread]
        if not gate.started:
            self.simulation.wait_until(gate, Access.ACQUIRE, lambda: gate.started)
        for one in self.program[thread - 1]:
            if all(self.registers.get((thread, name)) == held for name, held in one.when):
                answer = self.do(thread, one)
                if one.into:
                    self.registers[thread, one.into] = answer
        gate.ended = True

    def do(self, thread: int, one: Instruction) -> Any:
        if isinstance(one.target, int):
            return self.live(thread, one.access, one.target)
        target = self.objects[one.target]
        match one.access:
            case Access.WRITE | Access.STORE | Access.SWAP | Access.ADD:
                return getattr(target, one.access)(one.value)
            case Access.COMPARE_AND_SWAP:
                return target.compare_and_swap(one.old, one.value)
            case _:
                return getattr(target, one.access)()

    def live(self, thread: int, access: Access | Life, other: int) -> None:
        gate = self.gates[other]
        if access is Life.START:
            self.simulation.before(gate, Access.RELEASE)
            self.detector.start(thread, other)
            gate.started = True
        else:
            self.simulation.wait_until(gate, Access.ACQUIRE, lambda: gate.ended)
            self.detector.join(thread, other)


def made(name: str, accesses: set[Any]) -> Any:
    if Access.R_LOCK in accesses:
        return RWMutex(name)
    kind = next((KINDS[access] for access in accesses if access in KINDS), None)
    return kind(0, name) if kind else None


UNBOUNDED = 99


class Explored(NamedTuple):
    """What came out, and how many schedules there were: with a race, and in all."""

    outcomes: set[Outcome]
    racy: int
    schedules: int


@lru_cache
def explored(program: Program, bound: int) -> Explored:
    """Every schedule of the primitives with at most so many preemptions."""
    simulation, strategy = Simulation(), PreemptionBound(bound)
    found, racy, schedules = set[Outcome](), 0, 0
    with watched_by(simulation):
        while strategy.begin():
            detector = RaceDetector()
            simulation.watcher, simulation.listener = detector.step, detector.effect
            execution = Execution(program, simulation, detector)
            ending = simulation.run(execution.tasks(), strategy)
            found.add(STUCK if ending.outcome is Ended.DEADLOCK else execution.outcome())
            racy += bool(detector.races)
            schedules += 1
    return Explored(found, racy, schedules)


def disagreement(program: Program, occurs: Explored) -> str:
    """Which of the three sentences is not so, or nothing. Where the bound might be why, it is lifted."""
    allowed = outcomes(program)
    if occurs.racy == 0 and occurs.outcomes < allowed:
        occurs = explored(program, UNBOUNDED)
    if not occurs.outcomes <= allowed:
        return f"occurs, but is not allowed: {occurs.outcomes - allowed}"
    if occurs.racy == 0 and occurs.outcomes != allowed:
        return f"no race, and yet allowed and does not occur: {allowed - occurs.outcomes}"
    return ""
