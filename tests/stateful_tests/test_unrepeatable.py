"""A failure that does not follow from its schedule is not the map's; one that does is kept when a later run gets stuck."""

from __future__ import annotations

import itertools

import pytest

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.conformance import examine
from mapproof.stateful_tests.explorer.watchdog import Stalled
from mapproof.stateful_tests.shrink import NOT_REPEATED
from mapproof.stateful_tests.targets import target_of

reads = itertools.count()


class FailsNowAndThen(dict):  # type: ignore[type-arg]
    def __getitem__(self, key: object) -> object:
        if next(reads) % 97 == 5:
            raise RuntimeError("now and then")
        return dict.__getitem__(self, key)


class ChecksThenActs(dict):  # type: ignore[type-arg]
    def setdefault(self, key: object, default: object = None) -> object:
        if key not in self:
            self[key] = default
        return self[key]


@pytest.mark.interpreter
def test_a_failure_that_does_not_repeat_is_no_failure_of_the_map() -> None:
    findings = examine(target_of(FailsNowAndThen, "it"), budget=10, seed=0)
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert "depends on more than its schedule" in (findings.trouble or "")


@pytest.mark.interpreter
def test_a_failure_that_repeats_says_nothing_of_the_kind() -> None:
    findings = examine(target_of(ChecksThenActs, "it"), budget=10, seed=0)
    assert findings.counterexample is not None
    assert NOT_REPEATED not in findings.counterexample.account


def test_a_failure_is_kept_when_shrinking_cannot_look(monkeypatch: pytest.MonkeyPatch) -> None:
    from mapproof.stateful_tests import conformance, shrink

    def stuck(*arguments: object, **options: object) -> None:
        raise Stalled("stuck while shrinking")

    monkeypatch.setattr(conformance._Campaign, "_search_smaller", stuck)
    monkeypatch.setattr(shrink, "smallest", stuck)
    findings = examine(target_of(ChecksThenActs, "it"), budget=10, seed=0)
    assert findings.verdict is Verdict.FAILED
