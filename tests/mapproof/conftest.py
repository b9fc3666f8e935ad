"""The command line as a user meets it: run in this process, or in one of its own where that matters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mapproof.cli import main

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def examples() -> Path:
    return EXAMPLES


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, importable, with the examples importable too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return tmp_path


@pytest.fixture
def mapproof(here: Path) -> Run:
    """`mapproof ARGUMENTS` in this process."""
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def process(here: Path) -> Process:
    """`mapproof ARGUMENTS` in a process of its own, with plain pipes and the examples as working directory."""

    def run(*arguments: object, cwd: Path = EXAMPLES) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mapproof", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)

    return run
