"""The maps of the zoo, which nobody wrote with an account in mind, are told completely, with their values."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import Any

import pytest
from test_trace import complaints
from zoo import ZOO, zoo_map

from mapproof.stateful_tests.execution import laboratory
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.targets import target_of
from mapproof.stateful_tests.trace import Trace, trace

RUNS = 100

WEAK = "weak_index"
"""Its bug is that an object dies, which it does not while somebody looks at it."""


@cache
def specimens() -> Any:
    spec = importlib.util.spec_from_file_location("zoo_specimens", ZOO / "specimens.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["zoo_specimens"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(name: str) -> Trace | None:
    """The trace of the first random run that fails; None if none did."""
    target = target_of(zoo_map("broken", name), name)
    with laboratory(target) as lab:
        scenario = specimens().SPECIMENS[name].scenario(target.adapter)
        strategy = RandomWalk(1)
        for _ in range(RUNS):
            strategy.begin()
            ran = lab.run(scenario, strategy)
            if ran.failure is not None:
                return trace(lab, scenario, ran)
    return None


@pytest.mark.parametrize("name", sorted(path.stem for path in (ZOO / "broken").glob("*.py")))
def test_a_stranger_is_told_completely(name: str) -> None:
    found = told(name)
    if found is None:
        pytest.skip(f"no failure in {RUNS} random runs")
    assert list(complaints(found)) == []
    assert found.repeated
    assert found.valued is (name != WEAK)
