"""Hypothesis profiles for tests that run threads at once: three names, from a look in passing to a night's work.

The idea: an example of such a test is many schedules and takes as long as they are many, so a deadline says nothing, nor
do Hypothesis's warnings of slow data. Everything else is a choice between time and thoroughness, which is the user's to
make: nothing is loaded here.

    from hypothesis import settings
    from mapproof.stateful_tests.profiles import register_profiles

    register_profiles()
    settings.load_profile("mapproof-quick")

or, where pytest is given its plugin of mapproof, `pytest --hypothesis-profile mapproof-ci`.
"""

from __future__ import annotations

from typing import Any, Final

from hypothesis import HealthCheck, settings

QUICK: Final = "mapproof-quick"
THOROUGH: Final = "mapproof-thorough"
CI: Final = "mapproof-ci"

_PROFILES: Final[dict[str, dict[str, Any]]] = {
    QUICK: {"max_examples": 20},
    THOROUGH: {"max_examples": 2_000, "stateful_step_count": 100, "print_blob": True},
    # The same examples in every run: a change that fails has brought the failure with it. Without a database, as
    # there is mostly none to come back to.
    CI: {"max_examples": 100, "derandomize": True, "database": None, "print_blob": True},
}


def register_profiles() -> tuple[str, ...]:
    """Make the profiles known to Hypothesis under their names, which are answered. The one in use stays in use."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    default = settings.get_profile("default")
    for name, choices in _PROFILES.items():
        settings.register_profile(name, default, deadline=None, suppress_health_check=slow, **choices)
    return tuple(_PROFILES)
