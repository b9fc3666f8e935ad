"""The profiles are known once they are registered, and nothing else changes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import settings
from interleaved_machines import counter_machine
from interleaved_objects import LockedCounter

from mapproof.stateful_tests.interleaved import run_interleaved
from mapproof.stateful_tests.profiles import CI, QUICK, THOROUGH, register_profiles


def test_three_profiles_are_registered_and_none_is_loaded() -> None:
    before, current = settings.default, settings.get_current_profile_name()
    assert register_profiles() == (QUICK, THOROUGH, CI)
    assert settings.default is before
    assert settings.get_current_profile_name() == current
    quick, thorough, ci = map(settings.get_profile, (QUICK, THOROUGH, CI))
    assert quick.max_examples < ci.max_examples < thorough.max_examples
    assert ci.derandomize and not quick.derandomize and not thorough.derandomize
    assert quick.deadline is thorough.deadline is ci.deadline is None


def test_to_register_twice_changes_nothing() -> None:
    register_profiles()
    first = repr(settings.get_profile(CI))
    register_profiles()
    assert repr(settings.get_profile(CI)) == first


def test_importing_it_registers_and_loads_nothing() -> None:
    program = """
from hypothesis import settings
before = settings.default
import mapproof.stateful_tests.profiles
from hypothesis.errors import InvalidArgument
assert settings.default is before and settings.get_current_profile_name() == "default"
try:
    settings.get_profile("mapproof-ci")
except InvalidArgument:
    pass
else:
    raise SystemExit("registered unasked")
import sys
heavy = {"greenlet", "xxhash", "msgspec", "mapproof.stateful_tests.execution"} & sys.modules.keys()
assert not heavy, heavy
"""
    # A profile of the surroundings, CI for one, is none of ours.
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env={}, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", [QUICK, CI])
def test_a_profile_can_be_given_to_a_machine(name: str) -> None:
    register_profiles()
    chosen = settings(settings.get_profile(name), max_examples=2, database=None)
    run_interleaved(counter_machine(LockedCounter), settings=chosen)
