"""A failure that was saved on one version of Python is replayed on another: the whole zoo, every version on every other."""

from __future__ import annotations

import pytest
from itineraries import SAVED, VERSION, recorded, retraced, saved
from specimens import BROKEN

pytestmark = pytest.mark.interpreter


def test_the_versions_that_are_supported_have_each_saved_their_failures() -> None:
    assert sorted(SAVED) == ["3.11", "3.12", "3.13"]
    assert all(sorted(saved(version)) == BROKEN for version in SAVED)


@pytest.mark.skipif(VERSION not in SAVED, reason=f"nothing was saved on Python {VERSION}")
@pytest.mark.parametrize("name", BROKEN)
def test_what_was_saved_is_what_is_found_now(name: str) -> None:
    assert saved(VERSION)[name] == recorded(name)


@pytest.mark.parametrize("version", SAVED)
def test_a_failure_of_another_version_happens_again(version: str) -> None:
    lost = {}
    for name, (kind, itinerary) in saved(version).items():
        found, missed = retraced(name, itinerary)
        if found != kind or (missed and version == VERSION):
            lost[name] = (found, missed)
    assert len(lost) <= (0 if version == VERSION else len(BROKEN) // 20), lost


def test_without_its_positions_a_failure_is_lost() -> None:
    lost = [
        name
        for name, (kind, itinerary) in saved(VERSION if VERSION in SAVED else "3.11").items()
        if retraced(name, itinerary[:1])[0] != kind
    ]
    assert len(lost) > len(BROKEN) // 2
