"""The scheduler: how executions end, and that nothing of one leaks into the next."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import little_programs as programs
import pytest
from exploring import explore, once, outcomes

from mapproof.impl.sync import Atomic, Mutex, watched_by
from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer import simulation as module
from mapproof.stateful_tests.explorer.endings import Outcome, Wait
from mapproof.stateful_tests.explorer.instrument import HookOnly
from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.simulation import FAIR_STREAK, Simulation, active
from mapproof.stateful_tests.explorer.strategy import Schedule, Strategy

pytestmark = pytest.mark.interpreter

FILES = [programs.FILE]
modes = pytest.mark.parametrize("files", [[], [*FILES, __file__]], ids=["hook", "opcodes"])


def plainest() -> Replay:
    return Replay(Schedule())


def opposite_mutexes() -> Any:
    first, second = Mutex("first"), Mutex("second")

    def task(one: Mutex, other: Mutex) -> Callable[[], None]:
        def run() -> None:
            with one, other:
                pass

        return run

    return [task(first, second), task(second, first)], lambda: (first.locked(), second.locked())


@modes
def test_a_deadlock_names_what_each_waits_for_and_who_has_it(files: list[str]) -> None:
    found = [ending for ending, _ in explore(opposite_mutexes, PreemptionBound(1), files=files)]
    deadlocks = {ending.waits for ending in found if ending.outcome is Outcome.DEADLOCK}
    assert deadlocks == {(Wait(1, "second", Access.LOCK, 2), Wait(2, "first", Access.LOCK, 1))}
    assert all(ending.waits == () for ending in found if ending.outcome is Outcome.FINISHED)
    assert Outcome.ENDLESS not in {ending.outcome for ending in found}


def test_a_lock_that_was_never_released_names_the_thread_that_ended() -> None:
    def program() -> Any:
        mutex = Mutex("mu")
        return [mutex.lock, mutex.lock], lambda: None

    ending, _ = once(program, plainest())
    assert ending.outcome is Outcome.DEADLOCK
    assert ending.waits == (Wait(2, "mu", Access.LOCK, 1),)


def test_a_lock_taken_twice_is_a_deadlock_of_one() -> None:
    def program() -> Any:
        mutex = Mutex("mu")

        def twice() -> None:
            mutex.lock()
            mutex.lock()

        return [twice], lambda: None

    ending, _ = once(program, plainest())
    assert (ending.outcome, ending.waits) == (Outcome.DEADLOCK, (Wait(1, "mu", Access.LOCK, 1),))


@modes
@pytest.mark.parametrize("threads", [1, 2])
def test_a_program_that_never_ends_reaches_the_step_bound(threads: int, files: list[str]) -> None:
    def program() -> Any:
        flag = Atomic(False)

        def spin() -> None:
            while not flag.load():
                pass

        return [spin] * threads, lambda: None

    ending, _ = once(program, plainest(), files=files, max_steps=3 * FAIR_STREAK)
    assert ending.outcome is Outcome.ENDLESS
    assert ending.steps == 3 * FAIR_STREAK + 1


class Stubborn(Strategy):
    """As unfair as a strategy can be: whoever ran goes on, and else the highest number."""

    def begin(self) -> bool:
        return True

    def choose(self, current: int | None, enabled: Any, doing: Any) -> int:
        return enabled[-1] if current is None else current


def some_who_wait_in_a_loop(count: int) -> Any:
    flag = Atomic(False)

    def wait() -> None:
        while not flag.load():
            pass

    return [*[wait] * count, lambda: flag.store(True)], flag.peek


def one_who_waits_in_a_loop() -> Any:
    return some_who_wait_in_a_loop(1)


def two_who_wait_in_a_loop() -> Any:
    return some_who_wait_in_a_loop(2)


@modes
@pytest.mark.parametrize("make", [plainest, Stubborn])
def test_waiting_in_a_loop_is_no_hang(make: Callable[[], Strategy], files: list[str]) -> None:
    ending, flag = once(one_who_waits_in_a_loop, make(), files=files)
    assert (ending.outcome, flag) == (Outcome.FINISHED, True)


@pytest.mark.parametrize("seed", range(3))
def test_two_who_sleep_in_a_loop_do_not_starve_a_third(seed: int) -> None:
    def program() -> Any:
        flag = Atomic(False)

        def wait() -> None:
            while not flag.load():
                time.sleep(0.01)

        return [wait, wait, lambda: flag.store(True)], flag.peek

    assert {ending.outcome for ending, _ in explore(program, Pct(seed), runs=20)} == {Outcome.FINISHED}


@pytest.mark.parametrize("seed", range(3))
def test_two_who_wait_in_a_loop_do_not_starve_a_third(seed: int) -> None:
    endings = [ending for ending, _ in explore(two_who_wait_in_a_loop, Pct(seed), runs=20)]
    assert {ending.outcome for ending in endings} == {Outcome.FINISHED}


def test_the_turn_that_a_spinning_thread_must_give_is_no_preemption() -> None:
    endings = [ending for ending, _ in explore(one_who_waits_in_a_loop, PreemptionBound(0))]
    assert [ending.outcome for ending in endings] == [Outcome.FINISHED] * 2
    assert endings[0].steps > FAIR_STREAK


@modes
def test_an_error_of_a_task_is_raised_and_unwinds_the_others(files: list[str]) -> None:
    unwound = []

    def program() -> Any:
        mutex = Mutex("mu")

        def waits() -> None:
            mutex.lock()
            try:
                mutex.lock()
            finally:
                unwound.append("waits")

        def fails() -> None:
            raise ZeroDivisionError("on purpose")

        return [waits, fails], lambda: None

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        once(program, plainest(), files=files)
    assert unwound == ["waits"]
    assert active() is None
    assert once(opposite_mutexes, plainest(), files=files)[0].outcome is Outcome.FINISHED


@modes
def test_giving_up_runs_finally_blocks_that_use_locks_themselves(files: list[str]) -> None:
    cleaned: list[int] = []

    def program() -> Any:
        first, second, third = Mutex("first"), Mutex("second"), Mutex("third")

        def task(me: int, one: Mutex, other: Mutex) -> Callable[[], None]:
            def run() -> None:
                try:
                    with one, other:
                        pass
                finally:
                    third.lock()
                    cleaned.append(me)
                    third.unlock()

            return run

        return [task(1, first, second), task(2, second, first)], lambda: (first.locked(), second.locked())

    found = [
        (ending.outcome, locked)
        for ending, locked in explore(program, PreemptionBound(1), files=files)
        if ending.outcome is Outcome.DEADLOCK
    ]
    assert found
    assert set(found) == {(Outcome.DEADLOCK, (False, False))}
    assert set(cleaned) == {1, 2}


@modes
def test_code_that_will_not_be_stopped_is_stopped(files: list[str]) -> None:
    def program() -> Any:
        first, second, swallowed = Mutex("first"), Mutex("second"), list[int]()

        def stubborn() -> None:
            for _ in range(5):
                try:
                    second.lock()
                    first.lock()
                except BaseException:  # noqa: BLE001 - swallows even what ends it
                    swallowed.append(1)

        return [lambda: (first.lock(), second.lock()), stubborn], lambda: None

    endings = [ending for ending, _ in explore(program, PreemptionBound(1), files=files)]
    assert Outcome.DEADLOCK in {ending.outcome for ending in endings}


@modes
def test_hundreds_of_deadlocks_reuse_the_same_threads(files: list[str]) -> None:
    def parked() -> int:
        return max(len(threads) for threads in module._pool._parked.values())

    deadlock = next(
        ending.schedule
        for ending, _ in explore(opposite_mutexes, PreemptionBound(1), files=files)
        if ending.outcome is Outcome.DEADLOCK
    )
    before = parked()
    for _ in range(300):
        ending, _ = once(opposite_mutexes, Replay(deadlock), files=files)
        assert ending.outcome is Outcome.DEADLOCK
    assert parked() <= before + 2
    assert outcomes(programs.missing_key, files=FILES, bound=2) == {(1, 1), (2, 2), (1, 2)}


def test_both_kinds_of_instrument_take_turns() -> None:
    for _ in range(20):
        assert len(explore(opposite_mutexes, PreemptionBound(1))) > 2
        assert outcomes(programs.lost_update, files=FILES, bound=1) == {1, 2}


def test_a_simulation_belongs_to_its_os_thread() -> None:
    found: list[Any] = []

    def work() -> None:
        found.append(outcomes(programs.lost_update, files=FILES, bound=1))
        found.append(outcomes(programs.primitives))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert found == [{1, 2}, outcomes(programs.primitives)]


def test_the_watcher_is_told_each_step_and_changes_no_schedule() -> None:
    steps: list[tuple[int, Any]] = []

    def schedules(watch: bool) -> list[Schedule]:
        simulation, strategy, found = Simulation(), PreemptionBound(1), []
        simulation.watcher = (lambda thread, doing: steps.append((thread, doing[1]))) if watch else None
        with watched_by(simulation):
            while strategy.begin():
                tasks, _ = opposite_mutexes()
                found.append(simulation.run(dict(enumerate(tasks, 1)), strategy).schedule)
        return found

    assert schedules(watch=True) == schedules(watch=False)
    assert steps[:4] == [(1, Access.LOCK), (1, Access.LOCK), (1, Access.UNLOCK), (1, Access.UNLOCK)]


def test_the_hook_needs_no_place_to_switch() -> None:
    assert isinstance(Simulation().instrument, HookOnly)


# -- threads that the code under test starts, timers and what an execution leaves


def started_from_outside(
    work: Callable[[], None], then: Callable[[], None], runs: int = 1
) -> list[tuple[Outcome, list[int], float]]:
    """Let one thread work in the background while another does `then`: how it ended, who lives, what the clock says."""
    found = []
    for _ in range(runs):
        simulation = Simulation()
        with watched_by(simulation):
            simulation.spawn(work)
            ending = simulation.run({1: then}, plainest())
            found.append((ending.outcome, simulation.live, simulation.now))
            simulation.finish()
            assert (simulation.live, simulation.now) == ([], 0.0)
    return found


def wait(seconds: float | None, *, timer: bool = False) -> bool:
    simulation = active()
    assert simulation is not None
    return simulation.wait_until("bell", Access.ACQUIRE, lambda: False, timeout=seconds, timer=timer)


def wait_for_ever() -> None:
    wait(None)


def wait_longer() -> None:
    wait(500.5)


def give_way() -> None:
    simulation = active()
    assert simulation is not None
    simulation.give_way()


@pytest.mark.parametrize("timer", [False, True])
def test_only_a_timer_goes_off_while_others_could_go_on(timer: bool) -> None:
    def program() -> Any:
        log: list[str] = []

        def ring() -> None:
            wait(5.0, timer=timer)
            log.append("rings")

        def work() -> None:
            word = Atomic(0)
            word.store(1)
            word.store(2)
            log.append("worked")

        return [ring, work], lambda: tuple(log)

    expected = {("worked", "rings"), ("rings", "worked")} if timer else {("worked", "rings")}
    assert outcomes(program) == expected


def test_a_timer_goes_off_early_a_few_times_only() -> None:
    def program() -> Any:
        log: list[str] = []

        def ring() -> None:
            while len(log) < 9:
                wait(1.0, timer=True)
                log.append("rings")

        def work() -> None:
            word = Atomic(0)
            for value in range(9):
                word.store(value)
            log.append("worked")

        return [work, ring], lambda: log.index("worked")

    assert outcomes(program, bound=6) == set(range(module.TIMERS + 1))


def test_a_wait_is_over_when_the_clock_has_passed_its_end() -> None:
    def program() -> Any:
        log: list[Any] = []

        def short() -> None:
            log.append(("short", wait(1.0)))

        def long() -> None:
            wait(3.0, timer=True)
            log.append("long")
            Atomic(0).store(1)
            log.append("after")

        return [short, long], lambda: tuple(log)

    assert ("long", ("short", False), "after") in outcomes(program)


def test_tasks_that_wait_for_ever_are_a_deadlock_though_a_timer_goes_on() -> None:
    def tick() -> None:
        while True:
            wait(60.0, timer=True)

    assert started_from_outside(tick, wait_for_ever)[0][0] is Outcome.DEADLOCK


def test_a_task_that_waits_longer_than_a_timer_is_no_deadlock() -> None:
    def tick() -> None:
        while True:
            wait(1.0, timer=True)

    assert started_from_outside(tick, wait_longer) == [(Outcome.FINISHED, [module.FIRST_SPAWNED], 500.5)]


def test_a_thread_that_cannot_be_unwound_is_left() -> None:
    def swallow() -> None:
        while True:
            with suppress(BaseException):
                wait(None)

    left = len(module._left_standing)
    assert started_from_outside(swallow, give_way, runs=3) == [(Outcome.FINISHED, [11], 0.0)] * 3
    assert len(module._left_standing) == left + 3


@modes
def test_a_run_whose_thread_catches_everything_ends(files: list[str]) -> None:
    def program() -> Any:
        mutex = Mutex("mu")

        def swallow() -> None:
            while True:
                with suppress(BaseException):
                    mutex.lock()

        return [swallow, swallow], lambda: None

    for _ in range(2):
        ending, _ = once(program, plainest(), files=files)
        assert ending.outcome is Outcome.DEADLOCK


def test_each_task_begins_with_a_context_of_its_own() -> None:
    said: ContextVar[str] = ContextVar("said", default="nothing")

    def program() -> Any:
        heard: list[str] = []

        def task() -> None:
            heard.append(said.get())
            said.set("something")

        return [task, task], lambda: tuple(heard)

    assert outcomes(program) == {("nothing", "nothing")}


class Noisy:
    """Takes a step when it is finalized."""

    def __init__(self, word: Atomic[int]) -> None:
        self.word = word

    def __del__(self) -> None:
        self.word.store(1)


def test_rubbish_is_not_collected_in_the_midst_of_a_run() -> None:
    def program() -> Any:
        noisy: Any = Noisy(Atomic(0))
        noisy.itself = noisy
        return [lambda: [[] for _ in range(5_000)] and None], lambda: None

    assert {ending.steps for ending, _ in explore(program, Pct(0), runs=3)} == {0}
    assert gc.isenabled()


def test_what_a_task_kept_alive_is_dropped_between_two_executions() -> None:
    def task_of(noisy: Noisy) -> Callable[[], None]:
        return lambda: noisy.word.store(2)

    def start() -> None:
        simulation = active()
        assert simulation is not None
        simulation.spawn(task_of(Noisy(Atomic(0))))
        simulation.spawn(task_of(Noisy(Atomic(0))))
        simulation.give_way()

    simulation = Simulation()
    steps = []
    with watched_by(simulation):
        for _ in range(3):
            steps.append(simulation.run({1: start}, plainest()).steps)
            simulation.finish()
    assert len(set(steps)) == 1
