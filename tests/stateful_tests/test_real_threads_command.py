"""`mapproof check --backend threads` as a user meets it, and what is left running when it is interrupted: nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import maps_for_threads as maps
import pytest
from click.testing import CliRunner, Result

from mapproof.cli import main

HERE = str(Path(maps.__file__).parent)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments), "--backend", "threads"])


def test_a_failure_exits_1_and_its_history_can_be_judged(there: Path) -> None:
    result = check(
        "maps_for_threads:LosesUpdatesSoon", "--ops", "load,store,load_or_store", "--json", "out.json"
    )
    assert (result.exit_code, result.stderr) == (1, "")
    assert "NOT LINEARIZABLE: " in result.stdout
    assert result.stdout.rstrip().endswith("1 FAILED")
    (kept,) = (there / ".mapproof").iterdir()
    assert f"history: mapproof history {kept.relative_to(there)}" in result.stdout
    judged = CliRunner().invoke(main, ["history", str(kept)])
    assert (judged.exit_code, judged.stdout.rstrip()[-11:]) == (1, "1 VIOLATION")
    (found,) = json.loads(Path("out.json").read_text())["results"]
    assert (found["kind"], found["verdict"]) == ("test", "FAILED")


def test_a_crash_exits_1_and_its_history_can_be_judged(there: Path) -> None:
    result = check("maps_for_threads:Aborts", "--threads", 3, "--length", 50)
    assert (result.exit_code, result.stderr) == (1, "")
    assert "CRASH: the process was killed by SIGABRT in round " in result.stdout
    (kept,) = (there / ".mapproof").iterdir()
    assert b'"return": null' in kept.read_bytes()
    judged = CliRunner().invoke(main, ["history", str(kept)])
    assert judged.exit_code == 0, judged.output


def test_nothing_found_exits_0(there: Path) -> None:
    result = check("collections:UserDict", "--args", "[{}]", "--budget", 0.3, "--ops", "load,store")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.rstrip().endswith("1 SAMPLED")
    assert not list(there.iterdir())


def test_no_round_at_all_is_no_pass(there: Path) -> None:
    result = check("builtins:dict", "--budget", 1e-9)
    assert result.exit_code == 3
    assert result.stdout.rstrip().endswith("1 INCONCLUSIVE")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "TARGET: 'nonsense' is not of the form pkg.mod:attr"),
        (["maps_for_threads:Unmakeable"], "making one raised OSError: no disk"),
        (["builtins:dict", "--threads", 0], "Invalid value for '--threads'"),
        (["builtins:dict", "--silence", "nan"], "Invalid value for '--silence'"),
        (["builtins:dict", "--memory", 100, "--backend", "simulated"], "with --backend threads only"),
        (["builtins:dict", "--backend", "real"], "Invalid value for '--backend'"),
    ],
)
def test_bad_usage_is_one_line(there: Path, arguments: list[Any], says: str) -> None:
    words = ["--backend", "threads"] if "--backend" not in arguments else []
    result = CliRunner().invoke(main, ["check", *map(str, arguments), *words])
    assert result.exit_code == 2
    assert result.stderr.rstrip().splitlines()[-1].startswith("Error: ")
    assert says in result.stderr
    assert "Traceback" not in result.stderr


# -- interrupted


@contextmanager
def a_hanging_check(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command, and its child, whose map hangs already."""
    arguments = ["check", "maps_for_threads:Crossed", "--backend", "threads", "--silence", "600"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mapproof", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": HERE, "TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, _child_that_sleeps(process.pid)
    finally:
        process.kill()
        process.communicate()


def _child_that_sleeps(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in map(int, children.read_text().split()):
            if len(list(Path(f"/proc/{child}/task").iterdir())) >= 5:
                return child
        time.sleep(0.02)
    raise AssertionError("no child with threads appeared")


def _ended(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@on_linux
def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    with a_hanging_check(tmp_path) as (process, child):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (3, "interrupted: no verdict\n")
        assert _ended(child)
    assert not list(tmp_path.iterdir())


@on_linux
def test_a_parent_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    with a_hanging_check(tmp_path) as (process, child):
        process.kill()
        assert _ended(child)
    assert not list(tmp_path.glob("mapproof-*"))
