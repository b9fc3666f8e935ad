"""A run that is stuck outside of the simulation's sight ends with one line, and leaves the process usable."""

from __future__ import annotations

import _thread
import re
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import maps_to_test as maps
import pytest

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests import execution
from mapproof.stateful_tests.conformance import check_map, examine
from mapproof.stateful_tests.explorer.watchdog import Stalled, watchdog
from mapproof.stateful_tests.targets import target_of

pytestmark = pytest.mark.interpreter


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "watchdog", lambda: watchdog(0.3))


def test_a_real_lock_is_interrupted() -> None:
    lock = _thread.allocate_lock()
    lock.acquire()
    with (
        pytest.raises(
            Stalled,
            match=r"at .*test_watchdog\.py:\d+, in `lock\.acquire\(\)`: lock is a real lock, made before it could",
        ),
        watchdog(0.1),
    ):
        lock.acquire()


def test_what_ends_in_time_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with watchdog(0.2):
        pass
    time.sleep(0.3)
    assert signal.getsignal(signal.SIGALRM) is before


def test_the_timer_of_somebody_else_goes_on() -> None:
    barked: list[int] = []
    previous = signal.signal(signal.SIGALRM, lambda signum, frame: barked.append(signum))
    outer = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with watchdog(5):
            pass
        time.sleep(0.4)
        assert barked == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, *outer)


def elsewhere(work: Callable[[], Any]) -> list[str]:
    """What `work` raised on another thread than the main one."""
    raised: list[str] = []

    def run() -> None:
        try:
            work()
        except Stalled as stalled:
            raised.append(str(stalled))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    return raised


def test_a_loop_of_another_thread_is_ended() -> None:
    def work() -> None:
        with watchdog(0.1):
            while True:
                pass

    (text,) = elsewhere(work)
    assert re.match(r"the run stopped moving at .*test_watchdog\.py:\d+, in `(while True:|pass)`: ", text)


def test_a_wait_of_another_thread_that_cannot_be_ended_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    lock = _thread.allocate_lock()
    lock.acquire()

    def work() -> None:
        with watchdog(0.1):
            lock.acquire(timeout=2.5)

    (text,) = elsewhere(work)
    said = capfd.readouterr().err
    assert said.startswith(f"mapproof: {text}; only on the main thread can that be ended")
    assert said.count("\n") == 1
    assert "lock is a real lock" in text


def test_what_another_thread_ends_in_time_is_left_alone() -> None:
    def work() -> None:
        for _ in range(3):
            with watchdog(0.2), watchdog(5):
                pass
        time.sleep(0.4)

    assert elsewhere(work) == []


@pytest.mark.usefixtures("impatient")
def test_a_real_lock_makes_a_campaign_inconclusive_in_one_line() -> None:
    findings = examine(target_of(maps.BehindHiddenLocks, "BehindHiddenLocks"), budget=100, seed=0)
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert findings.counterexample is None
    assert "\n" not in findings.scope
    assert findings.scope.startswith("the run stopped moving at ")
    assert "maps_to_test.py" in findings.scope
    assert findings.seconds < 50  # and not 100


@pytest.mark.usefixtures("impatient")
def test_check_map_does_not_let_it_pass() -> None:
    with pytest.raises(RuntimeError, match="BehindHiddenLocks: the run stopped moving at"):
        check_map(maps.BehindHiddenLocks, budget=5)
