"""A run that is stuck outside of the simulation's sight ends with one line, and leaves the process usable."""

from __future__ import annotations

import _thread
import signal
import time
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
            Stalled, match=r"stopped moving at .*test_watchdog\.py:\d+: a lock that was made before"
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


def test_outside_of_the_main_thread_there_is_none() -> None:
    import threading

    ended: list[Any] = []

    def work() -> None:
        with watchdog(0.01):
            time.sleep(0.05)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert ended == [True]


@pytest.mark.usefixtures("impatient")
def test_a_real_lock_makes_a_campaign_inconclusive_in_one_line() -> None:
    findings = examine(target_of(maps.BehindHiddenLocks, "BehindHiddenLocks"), budget=5, seed=0)
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert findings.counterexample is None
    assert "\n" not in findings.scope
    assert findings.scope.startswith("the run stopped moving at ")
    assert "maps_to_test.py" in findings.scope
    assert findings.seconds < 5


@pytest.mark.usefixtures("impatient")
def test_check_map_does_not_let_it_pass() -> None:
    with pytest.raises(RuntimeError, match="BehindHiddenLocks: the run stopped moving at"):
        check_map(maps.BehindHiddenLocks, budget=5)
