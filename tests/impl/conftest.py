"""Real threads for the tests of this room: started together, joined with a deadline, failing as their test."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # lets the tests of this room import their helpers by name

from together import run_together, switching_often

SECONDS = 20.0

Run = Callable[..., None]


@pytest.fixture
def run_threads() -> Iterator[Run]:
    """Run the functions given, each in a thread of its own, switching threads as often as Python can."""
    with switching_often(1e-5):
        yield lambda *functions: run_together(functions, SECONDS)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition holds; fail if it never does."""
    return _until


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not so after {SECONDS} s"
        time.sleep(0.001)
