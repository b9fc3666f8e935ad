"""`tools/pythons.py`: which Pythons it takes for what they say they are, and that it fails if the tests do on one."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "pythons.py"


@pytest.fixture
def pythons() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pythons", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake(file: Path, script: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of which nothing but `bin` is on the PATH, where pyenv's shim fails and 3.13 is an older one."""
    for name in ("PYENV_ROOT", "XDG_DATA_HOME", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    fake(tmp_path / "bin" / "python3.12", "exit 127")
    fake(tmp_path / "bin" / "python3.13", "echo cpython 3.12")
    return tmp_path


def test_what_does_not_start_or_is_another_one_is_passed_over(pythons: ModuleType, home: Path) -> None:
    assert [pythons.find(version) for version in ("3.11", "3.12", "3.13")] == [None] * 3


def test_one_that_is_not_cpython_or_is_no_program_is_passed_over(pythons: ModuleType, home: Path) -> None:
    fake(home / "bin" / "python3.12", "echo pypy 3.12")
    (home / "bin" / "python3.13").chmod(0o644)
    fake(home / "bin" / "python3.11", "").write_bytes(b"\x7fELF")
    assert [pythons.find(version) for version in ("3.11", "3.12", "3.13")] == [None] * 3


def test_the_path_comes_before_pyenv_and_pyenv_before_uv(pythons: ModuleType, home: Path) -> None:
    by_uv = home / ".local/share/uv/python/cpython-3.12.4-linux-x86_64-gnu/bin/python3.12"
    for expected in (by_uv, home / ".pyenv/versions/3.12.1/bin/python3.12", home / "bin/python3.12"):
        fake(expected, "echo cpython 3.12")
        assert pythons.find("3.12") == expected


def test_every_other_version_is_told_and_a_failure_on_one_fails(
    pythons: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = {"3.11": Path("/eleven"), "3.12": Path("/twelve"), "3.13": None}
    monkeypatch.setattr(pythons, "HERE", "3.14")
    monkeypatch.setattr(pythons, "find", here.get)
    monkeypatch.setattr(pythons, "environment", lambda python, version: python)
    ran = []
    monkeypatch.setattr(pythons, "run_tests", lambda python: ran.append(python) or python != Path("/eleven"))
    with pytest.raises(SystemExit, match=r"^tests failed on Python 3\.11$"):
        pythons.main()
    assert ran == [Path("/eleven"), Path("/twelve")]
    told = ["Python 3.11: /eleven", "Python 3.12: /twelve", "Python 3.13: not found"]
    assert capsys.readouterr().out.splitlines() == told
    monkeypatch.setattr(pythons, "HERE", "3.11")
    pythons.main()
    assert ran[2:] == [Path("/twelve")]


def test_no_virtual_environment_is_a_failure_in_one_line(
    pythons: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pythons, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=r"^Python 3\.12: no virtual environment could be made: .* failed$"):
        pythons.environment(fake(tmp_path / "python3.12", "exit 1"), "3.12")


def test_an_environment_is_made_again_when_what_it_needs_has_changed(
    pythons: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pythons, "ROOT", tmp_path)
    inside = tmp_path / ".venv-3.12" / "bin" / "python"
    making = fake(tmp_path / "python3.12", f"echo made >> {tmp_path}/log")
    fake(inside, f'test "$2" = pip && echo installed >> {tmp_path}/log; echo cpython 3.12')
    (tmp_path / "pyproject.toml").touch()
    for _ in range(2):
        assert pythons.environment(making, "3.12") == inside
    assert (tmp_path / "log").read_text() == "made\ninstalled\n"
    later = (tmp_path / "pyproject.toml").stat().st_mtime + 60
    os.utime(tmp_path / "pyproject.toml", (later, later))
    pythons.environment(making, "3.12")
    assert (tmp_path / "log").read_text() == "made\ninstalled\n" * 2


def test_the_files_with_marked_tests_are_found(pythons: ModuleType) -> None:
    names = {Path(file).name for file in pythons.marked()}
    assert {"test_opcode_events.py", "test_cooperative_threading.py", "test_failures.py"} <= names
    assert "test_families.py" not in names
