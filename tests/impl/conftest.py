"""Real threads for the tests of this room: started together, joined with a deadline, failing as their test."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # lets the tests of this room import their helpers by name

SECONDS = 20.0

Run = Callable[..., None]


@pytest.fixture
def run_threads() -> Iterator[Run]:
    """Run the functions given, each in a thread of its own, switching threads as often as Python can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield _run
    sys.setswitchinterval(interval)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition holds; fail if it never does."""
    return _until


def _run(*functions: Callable[[], object]) -> None:
    errors: list[BaseException] = []
    together = threading.Barrier(len(functions))

    def body(function: Callable[[], object]) -> None:
        try:
            together.wait(SECONDS)
            function()
        except BaseException as error:  # noqa: BLE001 a FatalError is one, and must not vanish with its thread
            errors.append(error)

    threads = [threading.Thread(target=body, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), f"still running after {SECONDS} s"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not so after {SECONDS} s"
        time.sleep(0.001)
