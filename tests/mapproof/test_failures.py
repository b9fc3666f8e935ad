"""A failure is kept in a file, and the file is enough to see it again in another process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mapproof.failures import Request, keep, load, save
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.conformance import examine
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exhaustion import Exhaustion

WRONG = """\
class Map(dict):
    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]
"""
RIGHT = "class Map(dict):\n    pass\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A failure of the map in `kept_map.py`, beside it."""
    directory: Path = tmp_path_factory.mktemp("kept")
    (directory / "kept_map.py").write_text(WRONG)
    request = Request("kept_map:Map")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.syspath_prepend(str(directory))
        findings = examine(request.resolve(), budget=20, seed=0)
        assert findings.counterexample is not None
        return save(request, findings.counterexample, directory / "failures")


def changed(kept: Path, here: Path, **fields: Any) -> Path:
    """A copy of the file with some fields changed; None takes a field away."""
    content = {**json.loads(kept.read_text()), **fields}
    path = here / "failure.json"
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
    return path


def test_a_file_says_what_it_takes_to_repeat_it(kept: Path) -> None:
    content = json.loads(kept.read_text())
    assert set(content) == {
        *("mapproof", "request", "scenario", "schedule", "kind", "python", "checks"),
        *("itinerary", "code"),
    }
    assert (content["mapproof"], content["kind"]) == (1, "not linearizable")
    assert content["request"]["target"] == "kept_map:Map"
    assert kept.name.startswith("Map-")
    assert kept.name.endswith(".json")
    saved, schedule = load(kept)
    assert str(schedule) == saved.schedule == content["schedule"]


@pytest.mark.interpreter
def test_a_fresh_process_fails_a_hundred_times_of_a_hundred(process: Any, kept: Path) -> None:
    ended = process("replay", kept, "--times", "100", cwd=kept.parents[1])
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.startswith("NOT LINEARIZABLE: ")
    assert ended.stdout.endswith("\n\nfailed 100 of 100 times\n")


def test_a_fixed_map_fails_no_more(process: Any, kept: Path, here: Path) -> None:
    (here / "kept_map.py").write_text(RIGHT)
    ended = process("replay", kept, "--times", "10", cwd=here)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(
        "failed 0 of 10 times; since it was saved, the code changed; the schedule could not be followed in 10, first to "
        "'Map.setdefault: self[key] = default {[] =}'"
    )


def test_a_map_that_fails_in_another_way_says_so(process: Any, kept: Path, here: Path) -> None:
    (here / "kept_map.py").write_text(WRONG.replace("return self[key]", "raise ValueError('no')"))
    ended = process("replay", kept, cwd=here)
    assert ended.returncode == 1
    assert "failed 1 of 1 times; in another way than was saved: exception" in ended.stdout


STARTING = f"import threading\n\n{WRONG}\n    def {{method}}(self):\n        threading.Thread(target=print).start()\n"


@pytest.mark.interpreter
def test_a_map_that_now_starts_a_thread_when_it_is_made_fails_again(
    process: Any, kept: Path, here: Path
) -> None:
    (here / "kept_map.py").write_text(STARTING.format(method="__init__"))
    ended = process("replay", kept, cwd=here)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.endswith("\nfailed 1 of 1 times; since it was saved, the code changed\n")


@pytest.mark.interpreter
def test_a_map_that_can_no_longer_be_simulated_gives_no_verdict(process: Any, kept: Path, here: Path) -> None:
    (here / "kept_map.py").write_text(STARTING.format(method="check_invariants"))  # when the run is over
    ended = process("replay", kept, cwd=here)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout.startswith("could not be run: the code under test starts a thread of its own outside")
    assert ended.stdout.count("\n") == 1


USES = {
    "DeletesFromRead": ("load_or_store a 1; load a", "load a", "delete a"),
    "StoresIntoDirty": ("load_or_store a 1; load a; load_or_store b 2", "load b", "store c 3"),
    "DeletesUnlocked": ("store a 1", "load a", "delete a"),
}
"""Wrong uses of a map, each in a scenario in which every answer is right all the same."""


@pytest.mark.interpreter
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("checks", "kind"),
    [(Checks(races=True, invariants=True), "DATA RACE"), (Checks(invariants=True), "BROKEN INVARIANT")],
)
def test_what_only_a_check_shows_is_seen_again(
    mapproof: Any, here: Path, use: str, checks: Checks, kind: str
) -> None:
    request = Request(f"mapproof.impl.misuse:{use}")
    target = request.resolve()
    scenario = scenario_of(target.adapter, *USES[use])
    explored = Exhaustion(use, target, scenario, bound=3, checks=checks).run()
    told = keep(request, explored.evidence(), explored.counterexample, here / "failures").counterexample
    assert told is not None
    (path,) = (here / "failures").iterdir()
    assert told.endswith(f"\n\nreplay: mapproof replay {path}")
    saved, _ = load(path)
    assert (saved.checks, saved.kind) == (checks, kind.lower())
    replayed = mapproof("replay", path, "--times", "3")
    assert replayed.exit_code == 1
    assert replayed.stdout == told.rpartition("replay: ")[0] + "failed 3 of 3 times\n"
    unchecked = mapproof("replay", changed(path, here, checks=None))
    assert (unchecked.exit_code, unchecked.stdout) == (0, "failed 0 of 1 times\n")


@pytest.mark.parametrize("directory", ["a_file", "a_file/below", "/proc/nowhere"])
def test_where_nothing_can_be_written_it_goes_to_temporary_files(
    kept: Path, here: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "a_file").write_text("")
    (here / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here / "temporary"))
    saved, schedule = load(kept)
    monkeypatch.syspath_prepend(str(kept.parents[1]))
    findings = examine(saved.request.resolve(), budget=20, seed=0)
    assert findings.counterexample is not None
    path = save(saved.request, findings.counterexample, Path(directory))
    assert path.parent == here / "temporary"
    assert load(path) == (saved, schedule)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "failure.json: "),
        (b"not json", "failure.json: "),
        (b"[]", "failure.json: "),
        (b"{}", "missing required field `mapproof`"),
        (b"\xff\xfe", "failure.json: "),
        (b"[" * 100_000, "failure.json: "),
    ],
)
def test_what_is_no_failure_file_is_refused_in_one_line(
    mapproof: Any, here: Path, content: bytes, says: str
) -> None:
    (here / "failure.json").write_bytes(content)
    refused(mapproof("replay", "failure.json"), says)


def refused(result: Any, says: str) -> None:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mapproof": 2}, "format 2 is not known, only 1"),
        ({"schedule": "1,2"}, "a schedule reads like '12:2 16:1', not '1,2'"),
        ({"scenario": None}, "missing required field `scenario`"),
        ({"more": 1}, "unknown field `more`"),
        ({"checks": {"races": 1}}, "Expected `bool`, got `int` - at `$.checks.races`"),
        (
            {"scenario": {"setup": [{"op": "fly"}], "threads": [], "observers": []}},
            "Invalid enum value 'fly'",
        ),
        (
            {"scenario": {"setup": [{"op": "swap", "key": 0, "args": [1]}], "threads": [], "observers": []}},
            "swap",
        ),
        (
            {"scenario": {"setup": [{"op": "store", "key": 0, "args": []}], "threads": [], "observers": []}},
            "store",
        ),
        (
            {"scenario": {"setup": [{"op": "load", "key": 0, "form": 9}], "threads": [], "observers": []}},
            "load",
        ),
        ({"request": {"target": "nowhere:Map"}}, "TARGET: nowhere:Map: cannot import nowhere"),
        ({"request": {"target": "nonsense"}}, "TARGET: 'nonsense' is not of the form pkg.mod:attr"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_damaged_failure_file_is_refused_in_one_line(
    mapproof: Any, here: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], says: str
) -> None:
    monkeypatch.syspath_prepend(str(kept.parents[1]))
    refused(mapproof("replay", changed(kept, here, **fields)), says)


@pytest.mark.parametrize("arguments", [["missing.json"], ["."], [], ["missing.json", "--times", "0"]])
def test_bad_usage_of_replay(mapproof: Any, arguments: list[str]) -> None:
    result = mapproof("replay", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
