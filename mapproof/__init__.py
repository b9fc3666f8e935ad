"""mapproof: is this concurrent map right, and how do we know?

    from mapproof import check_map                  test a map of your own
    from mapproof import explore                    run a function that starts threads in many schedules
    from mapproof import InterleavedStateMachine    run the rules of a state machine at once
    from mapproof import History, check             decide a recorded history
    from mapproof import Recorder                   record one

The names are imported when they are used, because the pytest plugin imports this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapproof.spec.claims import Claims, Contract
    from mapproof.spec.history import History, HistoryError, Operation
    from mapproof.spec.linearizability import Linearizable, Unknown, Violation, check
    from mapproof.spec.linearizability.any_model import check_model
    from mapproof.spec.linearizability.streaming import OnlineChecker
    from mapproof.spec.recorder import Recorder
    from mapproof.stateful_tests.concurrent_tests import ScheduleFails, explore
    from mapproof.stateful_tests.conformance import MapIsWrong, UnsuitableTarget, check_map
    from mapproof.stateful_tests.interleaved import InterleavedStateMachine

__version__ = "0.1.0"

_HOMES = {
    "Claims": "mapproof.spec.claims",
    "Contract": "mapproof.spec.claims",
    "History": "mapproof.spec.history",
    "HistoryError": "mapproof.spec.history",
    "Operation": "mapproof.spec.history",
    "Linearizable": "mapproof.spec.linearizability",
    "Unknown": "mapproof.spec.linearizability",
    "Violation": "mapproof.spec.linearizability",
    "check": "mapproof.spec.linearizability",
    "check_model": "mapproof.spec.linearizability.any_model",
    "OnlineChecker": "mapproof.spec.linearizability.streaming",
    "Recorder": "mapproof.spec.recorder",
    "ScheduleFails": "mapproof.stateful_tests.concurrent_tests",
    "explore": "mapproof.stateful_tests.concurrent_tests",
    "InterleavedStateMachine": "mapproof.stateful_tests.interleaved",
    "MapIsWrong": "mapproof.stateful_tests.conformance",
    "UnsuitableTarget": "mapproof.stateful_tests.conformance",
    "check_map": "mapproof.stateful_tests.conformance",
}

__all__ = [
    "Claims",
    "Contract",
    "History",
    "HistoryError",
    "InterleavedStateMachine",
    "Linearizable",
    "MapIsWrong",
    "OnlineChecker",
    "Operation",
    "Recorder",
    "ScheduleFails",
    "Unknown",
    "UnsuitableTarget",
    "Violation",
    "check",
    "check_map",
    "check_model",
    "explore",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mapproof' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
