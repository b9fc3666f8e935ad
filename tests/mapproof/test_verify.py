"""The main job with tiny budgets: all kinds of evidence in one list, and provers that misbehave cost one line."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from mapproof import verify as module
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.stateful_tests.catalogue.sync_maps import explorations

REPORT = '{"schema": 1, "results": [{"name": "it", "kind": "proof", "verdict": "PROVED", "scope": "all", "seconds": 1}]}'
WRITES_A_REPORT = f"""\
import sys, pathlib
pathlib.Path(sys.argv[-1]).write_text({REPORT!r})
"""
CRASHES = "import os, sys\nprint('out of memory', file=sys.stderr)\nsys.stderr.flush()\nos.abort()\n"
SILENT = "import os\nos._exit(1)\n"
HANGS = "import time\ntime.sleep(60)\n"
WRITES_HALF = "import sys, pathlib\npathlib.Path(sys.argv[-1]).write_text('{\"results\": [')\n"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setattr(module, "CAMPAIGN_SECONDS", 0.3)
    monkeypatch.setattr(module, "PROGRAMS", 3)
    monkeypatch.setattr(module, "OPERATIONS_A_CLIENT", 20)
    monkeypatch.setattr(module, "explorations", lambda: islice(explorations(bound=0), 2))


@pytest.fixture
def provers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Put a script in the place of `python -m mapproof prove`."""

    def use(script: str) -> None:
        (tmp_path / "provers.py").write_text(script)
        started = module.subprocess.Popen

        def popen(command: list[str], **options: Any) -> Any:
            assert command[:4] == [sys.executable, "-m", "mapproof", "prove"]
            return started([sys.executable, str(tmp_path / "provers.py"), *command[4:]], **options)

        monkeypatch.setattr(module.subprocess, "Popen", popen)

    return use


def verified() -> list[Evidence]:
    return module.verify(0, lambda text: None)


def test_proofs_come_first_then_all_the_rest(provers: Any) -> None:
    provers(WRITES_A_REPORT)
    shown: list[str] = []
    results = module.verify(0, shown.append)
    assert [(result.kind, result.verdict) for result in results] == [
        (Kind.PROOF, Verdict.PROVED),
        *[(Kind.EXPLORATION, Verdict.EXHAUSTED)] * 2,
        *[
            (Kind.EXPLORATION, Verdict.SAMPLED),
            (Kind.TEST, Verdict.SAMPLED),
            (Kind.HISTORY, Verdict.LINEARIZABLE),
        ]
        * 2,
    ]
    assert len({result.name for result in results}) == len(results)
    assert [*(result.name for result in results[1:]), "waiting for the proofs"] == shown


@pytest.mark.parametrize(
    ("script", "verdict", "says"),
    [
        (CRASHES, Verdict.INCONCLUSIVE, "the provers' process ended: out of memory"),
        (SILENT, Verdict.INCONCLUSIVE, "the provers' process ended: without a word"),
        (WRITES_HALF, Verdict.INCONCLUSIVE, "the provers' process ended: "),
        (HANGS, Verdict.UNDECIDED, "the provers did not end within 1 s"),
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
    monkeypatch.setattr(module, "explorations", lambda: iter(()))
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
    monkeypatch.setattr(module, "explorations", lambda: iter(()))
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
        lambda command, **options: started([*command, "routing", "top"], **options),
    )
    monkeypatch.setattr(module, "explorations", lambda: iter(()))
    monkeypatch.setattr(module, "REFERENCE_MAPS", ())
    assert [result.verdict for result in verified()] == [Verdict.PROVED]
