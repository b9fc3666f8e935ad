"""The pytest plugin: `check_map` as a fixture, and `--map-class pkg.mod:attr` for the shipped conformance test.

It is imported in every pytest run of the environment that it is installed in, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mapproof.stateful_tests.conformance import Findings
    from mapproof.stateful_tests.real_threads.examination import ThreadFindings


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mapproof", "concurrent maps")
    group.addoption("--map-class", metavar="pkg.mod:attr", help="the map that the conformance test checks")
    group.addoption("--map-budget", type=float, default=10.0, metavar="SECONDS", help="how long it looks")
    group.addoption("--map-seed", type=int, default=0, metavar="N", help="repeats a run")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the profiles known to Hypothesis when one of them is asked for; none is loaded here."""
    profile = config.getoption("--hypothesis-profile", None)
    if profile and profile.startswith("mapproof-"):
        from mapproof.stateful_tests.profiles import register_profiles

        register_profiles()


def pytest_report_header(config: pytest.Config) -> str | None:
    target = config.getoption("--map-class")
    if target is None:
        return None
    return f"mapproof: {target}, {config.getoption('--map-budget')} s, seed {config.getoption('--map-seed')}"


@pytest.fixture
def check_map() -> Callable[..., Findings | ThreadFindings]:
    """The function `mapproof.stateful_tests.conformance.check_map`."""
    from mapproof.stateful_tests.conformance import check_map as function

    return function


@pytest.fixture
def map_class(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """The factory named by `--map-class`; skips without one."""
    from mapproof.loading import LoadingError, load_factory

    target = request.config.getoption("--map-class")
    if target is None:
        pytest.skip("no --map-class was given")
    try:
        return load_factory(target, None, None)
    except LoadingError as error:
        raise pytest.UsageError(str(error)) from None
