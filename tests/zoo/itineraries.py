"""Failures of the whole zoo as they were saved on one version of Python, to be replayed on another.

`python tests/zoo/itineraries.py` writes the file of the running version. Each is the first schedule in which the
smallest program of a map fails (`specimens`), told by the positions where its threads hand over.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from specimens import SPECIMENS, ZOO, own_class

from mapproof.stateful_tests.execution import Target, laboratory
from mapproof.stateful_tests.exploration import run_plan
from mapproof.stateful_tests.explorer.itinerary import Itinerary, Leg, Recorder, Retrace
from mapproof.stateful_tests.explorer.plan import bounded
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.targets import target_of

VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
SAVED: Final = {path.stem.removeprefix("itineraries-"): path for path in ZOO.glob("itineraries-*.json")}


@cache
def target(name: str) -> Target:
    """The broken map of that name."""
    module_name = f"zoo_itinerary_{name}"
    spec = importlib.util.spec_from_file_location(module_name, ZOO / "broken" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return target_of(own_class(module), name)


def recorded(name: str) -> tuple[str, Itinerary]:
    """The kind of the first failure of the map's smallest program, and the way to it."""
    map_, specimen = target(name), SPECIMENS[name]
    scenario = specimen.scenario(map_.adapter)
    with laboratory(map_) as lab:
        failing = run_plan(lab, scenario, bounded(specimen.preemptions)).failing
        assert failing is not None, name
        recorder = Recorder(Replay(failing.schedule))
        recorder.begin()
        again = lab.run(scenario, recorder)
    assert again.schedule == failing.schedule
    assert again.failure is not None
    return again.failure.kind.value, recorder.itinerary


def retraced(name: str, itinerary: Itinerary) -> tuple[str | None, int]:
    """The kind of failure to which the way leads now, and how many legs were missed."""
    map_ = target(name)
    strategy = Retrace(itinerary)
    strategy.begin()
    with laboratory(map_) as lab:
        failure = lab.run(SPECIMENS[name].scenario(map_.adapter), strategy).failure
    return (None if failure is None else failure.kind.value), strategy.missed


def saved(version: str) -> dict[str, tuple[str, Itinerary]]:
    """What was saved on that version."""
    content: dict[str, Any] = json.loads(SAVED[version].read_text())
    return {name: (kind, tuple(Leg(*leg) for leg in legs)) for name, (kind, legs) in content.items()}


def text(found: dict[str, tuple[str, Itinerary]]) -> str:
    """A line for each map."""
    lines = (
        f"{json.dumps(name)}: {json.dumps([kind, [[leg.thread, leg.position, leg.nth] for leg in legs]])}"
        for name, (kind, legs) in found.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    Path(ZOO / f"itineraries-{VERSION}.json").write_text(text({name: recorded(name) for name in SPECIMENS}))
