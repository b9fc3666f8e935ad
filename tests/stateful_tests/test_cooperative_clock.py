"""The clocks of the code under test: they move by waiting alone, so that what depends on time can be explored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import clock_takers
import pytest
from cooperating import alone, executions, outcomes, plainly

from mapproof.stateful_tests.explorer.cooperative_threading import patched
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound

pytestmark = pytest.mark.interpreter

CLOCKS = ("time", "monotonic", "perf_counter", "process_time")


def read_all() -> list[float]:
    return [getattr(time, name)() for name in CLOCKS]


def test_every_execution_begins_at_the_same_time() -> None:
    def program() -> Any:
        made = read_all()
        seen: list[Any] = []
        return [lambda: seen.append(read_all())] * 2, lambda: (
            made == seen[0] == seen[1] == read_all(),
            *made,
        )

    assert outcomes(program) == {(True, 1_700_000_000, 1_000, 1_000, 1)}


def test_a_sleep_takes_its_time_and_nothing_else_does() -> None:
    def work() -> Any:
        before = read_all()
        sum(range(1000))
        time.sleep(2.5)
        time.sleep(0)
        assert time.time_ns() == time.time() * 10**9
        assert time.monotonic_ns() == time.monotonic() * 10**9
        with pytest.raises(ValueError, match="sleep length must be non-negative"):
            time.sleep(-1)
        return [now - then for now, then in zip(read_all(), before, strict=True)]

    assert alone(work) == [2.5] * len(CLOCKS)


def test_a_wait_that_gives_up_takes_its_time_too() -> None:
    def work() -> Any:
        before = time.monotonic()
        assert not threading.Event().wait(7)
        assert not threading.Lock().locked()
        return time.monotonic() - before

    assert alone(work) == 7


def test_outside_of_a_run_the_clocks_are_real() -> None:
    asked = time.perf_counter, time.time
    real = [clock() for clock in asked]
    with patched():
        time.sleep(0.01)
        assert time.perf_counter() >= real[0] + 0.01
        assert time.time() >= real[1] + 0.005
        later = time.monotonic()
        time.sleep(0)
        assert time.monotonic() >= later
    assert (time.perf_counter, time.time) == asked


def test_clocks_that_were_taken_at_import_are_replaced() -> None:
    asked = clock_takers.every_clock
    readings = [read() for read in asked().values()]
    assert len(set(readings)) == len(readings)
    assert set(alone(lambda: [read() for read in asked().values()], modules=[clock_takers])) == {1_000}
    assert all(read() != 1_000 for read in asked().values())


class Expiring:
    """A value that goes out of date; `get` looks at the clock, and then takes the value."""

    def __init__(self, lock: Any = None) -> None:
        self.lock = lock or threading.RLock()
        self.values = {"k": ("v", time.monotonic() + 60)}

    def get(self) -> str:
        with self.lock:
            fresh = "k" in self.values and time.monotonic() < self.values["k"][1]
        return self.values["k"][0] if fresh else "none"

    def get_at_once(self) -> str:
        with self.lock:
            return self.get()

    def purge(self) -> None:
        with self.lock:
            if "k" in self.values and time.monotonic() >= self.values["k"][1]:
                del self.values["k"]


class Swept(Expiring):
    """What is out of date is thrown away by a thread in the background, once a minute."""

    def __init__(self, wait: Callable[[float], Any] = time.sleep) -> None:
        super().__init__()
        threading.Thread(target=lambda: self.sweep(wait), daemon=True).start()

    def sweep(self, wait: Callable[[float], Any]) -> None:
        while True:
            wait(60)
            self.purge()


def caught(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except KeyError:
        return "KeyError"


def got_while(
    make: Callable[[], Expiring], get: Callable[[Any], Any], *others: Callable[[Any], Any]
) -> set[Any]:
    def program() -> Any:
        cache, got = make(), []

        def look() -> None:
            got.append(caught(lambda: get(cache)))

        return [look, *(lambda other=other: other(cache) for other in others)], lambda: got[0]

    return outcomes(program, bound=1, files=[__file__])


def slow_purge(cache: Expiring) -> None:
    time.sleep(61)
    cache.purge()


def test_an_expiry_between_the_check_and_the_act_is_found() -> None:
    assert got_while(Expiring, Expiring.get, slow_purge) == {"v", "none", "KeyError"}


def test_the_same_under_one_lock_is_right() -> None:
    assert got_while(Expiring, Expiring.get_at_once, slow_purge) == {"v", "none"}


@pytest.mark.parametrize("by", ["sleep", "event"])
def test_a_thread_that_sweeps_in_the_background_gets_its_turn(by: str) -> None:
    def make() -> Expiring:
        return Swept(time.sleep if by == "sleep" else threading.Event().wait)

    assert got_while(make, Expiring.get) == {"v", "none", "KeyError"}
    assert got_while(make, Expiring.get_at_once) == {"v", "none"}


def test_the_timeout_of_a_caller_does_not_run_out_while_others_work() -> None:
    def program() -> Any:
        lock, log = threading.Lock(), []

        def hold() -> None:
            with lock:
                for _ in range(5):
                    time.sleep(0)

        def take() -> None:
            log.append(lock.acquire(timeout=0.1))

        return [hold, take], lambda: log[0]

    assert outcomes(program, bound=2) == {True, "deadlock"}


def test_waking_early_is_said_of_the_run() -> None:
    def program() -> Any:
        return [lambda: time.sleep(1), lambda: None], lambda: None

    assert all(found.ending.timeouts == 1 for found in executions(program, PreemptionBound(1)))
    assert plainly(lambda: ([lambda: time.sleep(0)], lambda: None)).ending.timeouts == 0
