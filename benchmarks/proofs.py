"""How fast systems run on plain values: `python benchmarks/proofs.py [SECONDS]`, in CPU time on one core.

Distinct states a second of a breadth-first search of sync.Map, medians of ROUNDS, with the invariants off and on; single
steps a second over large domains, as the validation of traces makes them; then for each system how much of its largest
bound is exhausted in SECONDS (60), up to renaming. Exits 1 below the goals.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable
from time import process_time

from mapproof.proofs.chapters import Bound
from mapproof.proofs.running.concrete import Machine
from mapproof.proofs.running.exploration import Exploration, explore, machine_within
from mapproof.proofs.systems import chapters
from mapproof.proofs.systems.sync_map import SYNC_MAP

ROUNDS = 5
STATES = 60_000
GOAL_CLAIMS = 20_000
GOAL_INVARIANTS = 5_000
GOAL_STEPS = 5_000
TWO_KEYS = Bound({"Thread": 2, "Key": 2, "Value": 1, "Pointer": 4, "Entry": 3, "EntryMap": 5}, {"invoke": 4})
LARGE = {"Thread": 3, "Key": 3, "Value": 8, "Pointer": 16, "Entry": 12, "EntryMap": 10}


def states_a_second(invariants: bool, symmetric: bool) -> float:
    """The median of ROUNDS searches of STATES states; the first search compiles, and is not counted."""
    machine = machine_within(SYNC_MAP, TWO_KEYS)

    def search() -> Exploration:
        return explore(machine, most_states=STATES, invariants=invariants, symmetric=symmetric)

    return STATES / median_seconds(search)


def median_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one of ROUNDS runs, after one that is not counted."""
    run()
    seconds = []
    for _ in range(ROUNDS):
        started = process_time()
        run()
        seconds.append(process_time() - started)
    return statistics.median(seconds)


def steps_a_second() -> tuple[float, int]:
    """Single steps by name along one random run over large domains; and the cells of a state."""
    machine = machine_within(
        SYNC_MAP, Bound({sort.__name__: LARGE[sort.__name__] for sort in SYNC_MAP.sorts})
    )
    trace = random_run(machine, 3_000)

    def replay() -> None:
        state = machine.initial()
        for action, arguments in trace:
            step = machine.step(state, action, *arguments)
            assert step is not None
            assert machine.read(step.after, "Thread.pc", "t0")
            state = step.after

    return len(trace) / median_seconds(replay), machine.layout.length


def random_run(machine: Machine, length: int) -> list[tuple[str, tuple[str | int, ...]]]:
    """So many random steps, or fewer where the elements ran out."""
    choose, state = random.Random(1), machine.initial()
    trace: list[tuple[str, tuple[str | int, ...]]] = []
    while len(trace) < length and (moves := machine.successors(state)):
        move, state = choose.choice(moves)
        trace.append(machine.named(move))
    return trace


def exhausted(seconds: float) -> None:
    """For each system, how far its largest bound is gone through in the time."""
    for chapter in chapters():
        for bound in chapter.bounds[-1:]:
            started = process_time()
            found = explore(machine_within(chapter.system, bound), seconds=seconds, symmetric=True)
            took = process_time() - started
            extent = "all" if found.exhausted else "NOT all"
            broken = f"; BROKEN: {', '.join(found.broken)}" if found.broken else ""
            print(
                f"  {chapter.system.name}: {extent} {found.states:,} states in {took:.1f} s; {bound}{broken}"
            )


def main(seconds: float) -> int:
    """Print the figures beside the goals; 1 when one is not reached."""
    actions, statements = len(SYNC_MAP.actions), len(SYNC_MAP.invariants)
    cells = machine_within(SYNC_MAP, TWO_KEYS).layout.length
    print(
        f"sync.Map, {actions} actions, {statements} invariants, {cells} cells; {TWO_KEYS}; {STATES:,} states"
    )
    missed = False
    for invariants, goal in ((False, GOAL_CLAIMS), (True, GOAL_INVARIANTS)):
        rate = states_a_second(invariants, symmetric=False)
        missed |= rate < goal
        what = "invariants on" if invariants else "invariants off"
        print(f"  {what:34} {rate:9,.0f} states a second (goal {goal:,})")
    rate = states_a_second(invariants=True, symmetric=True)
    print(f"  {'invariants on, up to renaming':34} {rate:9,.0f} states a second, each for all its renamings")
    rate, cells = steps_a_second()
    missed |= rate < GOAL_STEPS
    print(f"  {f'single steps, {cells} cells':34} {rate:9,.0f} steps a second (goal {GOAL_STEPS:,})")
    print(f"exhausted in {seconds:.0f} s, all invariants on, up to renaming:")
    exhausted(seconds)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
