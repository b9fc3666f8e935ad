"""The main job with tiny budgets: all kinds of evidence in one list, and provers that misbehave cost one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from mapproof import verify as module
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync_map import SyncMap
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.stateful_tests.catalogue import Chapter
from mapproof.stateful_tests.catalogue.sync_maps import SYNC_MAP, explorations, explorations_of
from mapproof.stateful_tests.execution import Checks
from mapproof.validated_maps import SUBJECTS

REPORT = '{"schema": 1, "results": [{"name": "it", "kind": "proof", "verdict": "PROVED", "scope": "all", "seconds": 1}]}'
WRITES_A_REPORT = f"""\
import sys, pathlib
pathlib.Path(sys.argv[-1]).write_text({REPORT!r})
"""
CRASHES = "import os, sys\nprint('out of memory', file=sys.stderr)\nsys.stderr.flush()\nos.abort()\n"
SILENT = "import os\nos._exit(1)\n"
HANGS = "import time\ntime.sleep(60)\n"
WRITES_HALF = "import sys, pathlib\npathlib.Path(sys.argv[-1]).write_text('{\"results\": [')\n"


WATCHED = ", each step watched for a broken invariant and a data race"

real_other_half = module._other_half


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setattr(module, "CAMPAIGN_SECONDS", 0.3)
    monkeypatch.setattr(module, "PROGRAMS", 3)
    monkeypatch.setattr(module, "OPERATIONS_A_CLIENT", 20)
    monkeypatch.setattr(module, "REFERENCE_MAPS", (SyncMap, RWMutexMap))
    monkeypatch.setattr(module, "SUBJECTS", ())
    monkeypatch.setattr(
        module, "CHAPTERS", (Chapter("SyncMap", lambda: islice(explorations(bound=0), 2), "things"),)
    )
    monkeypatch.setattr(module, "_other_half", here_too)


def here_too(seed: int) -> Any:
    """The other half of the jobs, in this process."""
    return nullcontext(lambda: module.part(seed, 1, lambda text: None))


@pytest.fixture
def provers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Put a script in the place of `python -m mapproof prove`, and another in that of the other half of the jobs."""
    scripts: dict[str, str] = {}
    started = module.subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        assert command[:2] == [sys.executable, "-m"]
        file = tmp_path / f"in the place of {command[2]}.py"
        file.write_text(scripts[command[2]])
        return started([sys.executable, str(file), *command[3:]], **options)

    def use(script: str, other_half: str | None = None) -> None:
        scripts["mapproof"] = script
        if other_half is not None:
            scripts["mapproof.verify"] = other_half
            monkeypatch.setattr(module, "_other_half", real_other_half)

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    return use


def verified() -> list[Evidence]:
    return module.verify(0, lambda text: None)


def test_proofs_come_first_then_all_the_rest(provers: Any) -> None:
    provers(WRITES_A_REPORT)
    shown: list[str] = []
    proof, *results = module.verify(0, shown.append)
    names = [name for name, _ in module._jobs(0)]
    assert (proof.kind, proof.verdict) == (Kind.PROOF, Verdict.PROVED)
    assert [result.name for result in results] == sorted(
        names, key=lambda name: not name.startswith("SyncMap")
    )
    assert {result.name.partition(": ")[2]: (result.kind, result.verdict) for result in results} == {
        "the catalogue": (Kind.EXPLORATION, Verdict.EXHAUSTED),
        "generated scenarios": (Kind.EXPLORATION, Verdict.SAMPLED),
        "sequential programs": (Kind.TEST, Verdict.SAMPLED),
        "real threads": (Kind.HISTORY, Verdict.LINEARIZABLE),
    }
    assert results[0].scope == f"preemptions <= 0: every schedule of 2 scenarios{WATCHED}; things"
    assert [*names[::2], "waiting for the other processes"] == shown


def test_the_other_half_comes_from_another_process(provers: Any, tmp_path: Path) -> None:
    module._write_half(0, tmp_path / "half.json")
    provers(
        WRITES_A_REPORT, f"import sys, shutil\nshutil.copy({str(tmp_path / 'half.json')!r}, sys.argv[-1])\n"
    )
    assert {result.name for result in verified()[1:]} == {name for name, _ in module._jobs(0)}


@pytest.mark.parametrize(
    ("script", "says"),
    [(CRASHES, "their process ended: out of memory"), (HANGS, "no answer within 1 s")],
    ids=["crashes", "hangs"],
)
def test_another_half_that_misbehaves_costs_one_line(
    provers: Any, monkeypatch: pytest.MonkeyPatch, script: str, says: str
) -> None:
    monkeypatch.setattr(module, "PART_SECONDS", 1.0)
    provers(WRITES_A_REPORT, script)
    results = verified()
    (lost,) = [result for result in results if result.verdict is Verdict.INCONCLUSIVE]
    assert (lost.name, lost.scope) == ("the other half of the jobs", says)
    assert len(results) == 1 + 4 + 1


def test_the_code_is_held_against_the_proved_model(provers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the first of its scenarios: the other actions are then missing, which is told."""
    subject = SUBJECTS[0]
    ground = subject.grounds[0]
    bound, some = ground.bounds[0]
    few = replace(subject, grounds=(replace(ground, bounds=((bound, some[:1]),)),))
    monkeypatch.setattr(module, "SUBJECTS", (few,))
    monkeypatch.setattr(module, "CHAPTERS", ())
    monkeypatch.setattr(module, "REFERENCE_MAPS", ())
    provers(WRITES_A_REPORT)
    _, found = verified()
    assert (found.name, found.kind) == ("SyncMap: the code follows the proved model", Kind.EXPLORATION)
    assert found.verdict is Verdict.FAILED
    assert found.counterexample and found.counterexample.startswith("what no scenario makes of the model")


class Misses(SyncMap[Any, Any]):
    def load(self, key: Any) -> Any:
        return None, False


def test_a_chapter_claims_only_what_each_of_its_scenarios_was_watched_for() -> None:
    first, second = islice(explorations(bound=0), 2)
    unwatched = replace(second, checks=Checks(races=True))
    (told,) = module._chapter(Chapter("SyncMap", lambda: iter((first, unwatched))))
    assert told.scope == "preemptions <= 0: every schedule of 2 scenarios, each step watched for a data race"


def test_a_scenario_that_fails_has_a_line_of_its_own(here: Path) -> None:
    def mixed() -> Iterator[Any]:
        yield from islice(explorations(bound=0), 2)
        yield from islice(explorations_of(Misses, SYNC_MAP, 0), 1)

    done, failed = module._chapter(Chapter("SyncMap", mixed, "things"))
    assert done.scope == f"preemptions <= 0: every schedule of 2 scenarios{WATCHED}; things"
    assert (failed.name, failed.verdict) == ("Misses: a load meets the promotion of its key", Verdict.FAILED)
    assert failed.counterexample and "replay: mapproof replay" in failed.counterexample
    (alone,) = module._chapter(Chapter("SyncMap", lambda: islice(mixed(), 2, None), "things"))
    assert alone.verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("script", "verdict", "says"),
    [
        (CRASHES, Verdict.INCONCLUSIVE, "their process ended: out of memory"),
        (SILENT, Verdict.INCONCLUSIVE, "their process ended: without a word"),
        (WRITES_HALF, Verdict.INCONCLUSIVE, "their process ended: "),
        (HANGS, Verdict.UNDECIDED, "no answer within 1 s"),
    ],
    ids=["crashes", "silent", "half a report", "hangs"],
)
def test_provers_that_misbehave_cost_one_line(
    provers: Any,
    mapproof: Any,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    verdict: Verdict,
    says: str,
) -> None:
    monkeypatch.setattr(module, "PROOF_SECONDS", 1.0)
    monkeypatch.setattr(module, "CHAPTERS", ())
    monkeypatch.setattr(module, "REFERENCE_MAPS", ())
    provers(script)
    (result,) = verified()
    assert (result.name, result.kind, result.verdict) == ("the proofs", Kind.PROOF, verdict)
    assert result.scope.startswith(says)
    ended = mapproof("verify")
    assert (ended.exit_code, ended.stderr) == (3, "")
    assert ended.stdout.rstrip().endswith(f"1 {verdict}")


class Forgetful(dict):  # type: ignore[type-arg]
    """Go-like, and wrong alone: it keeps one key."""

    def load(self, key: Any) -> Any:
        return (self[key], True) if key in self else (None, False)

    def store(self, key: Any, value: Any) -> None:
        super().clear()
        self[key] = value


def test_a_wrong_reference_map_fails_every_check(
    provers: Any, mapproof: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHAPTERS", ())
    monkeypatch.setattr(module, "REFERENCE_MAPS", (Forgetful,))
    monkeypatch.setattr(module, "CAMPAIGN_SECONDS", 20)
    monkeypatch.setattr(module, "PROGRAMS", 50)
    provers(WRITES_A_REPORT)
    assert mapproof("verify", "--json", "out.json").exit_code == 1
    results = json.loads(Path("out.json").read_text())["results"]
    assert [result["verdict"] for result in results] == ["PROVED", "FAILED", "FAILED", "VIOLATION"]
    assert all(result["counterexample"] for result in results[1:])


def test_the_real_provers_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("z3")
    started = module.subprocess.Popen
    monkeypatch.setattr(
        module.subprocess,
        "Popen",
        lambda command, **options: started([*command, "routing", "doubling sends"], **options),
    )
    monkeypatch.setattr(module, "CHAPTERS", ())
    monkeypatch.setattr(module, "REFERENCE_MAPS", ())
    assert [result.verdict for result in verified()] == [Verdict.PROVED]
