"""A campaign refuses a map that depends on more than its schedule, and may ask that calls end when they are left alone."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.conformance import Findings, examine
from mapproof.stateful_tests.execution import NO_CHECKS, Checks
from mapproof.stateful_tests.obstruction import Alone
from mapproof.stateful_tests.targets import target_of

pytestmark = pytest.mark.interpreter

chance = random.Random(1)


class Draws(dict[Any, Any]):
    """Right, and reads once more now and then."""

    def get(self, key: Any, default: Any = None) -> Any:
        if chance.getrandbits(1):
            len(self)
        return dict.get(self, key, default)


def examined(make: Any, checks: Checks = NO_CHECKS) -> Findings:
    return examine(target_of(make, make.__name__), budget=2, seed=0, checks=checks)


def test_a_map_that_draws_is_not_accused_and_not_acquitted() -> None:
    findings = examined(Draws)
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert "depends on more than its schedule" in (findings.trouble or "")


def test_a_call_that_is_left_alone_must_end_if_that_is_asked() -> None:
    findings = examined(RWMutexMap, Checks(alone=Alone(100)))
    assert findings.counterexample is not None
    assert findings.counterexample.account.startswith("NO PROGRESS: ")
    assert "watched for a call that does not end within 100 steps when it is left alone" in findings.scope


def test_a_dict_of_c_passes() -> None:
    findings = examined(dict, Checks(alone=Alone(100)))
    assert findings.verdict is Verdict.SAMPLED
