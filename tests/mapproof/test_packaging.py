"""What is installed: the rooms as subpackages, light imports, the pytest plugin."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mapproof

ROOT = Path(__file__).parents[2]
ROOMS = ["impl", "proofs", "spec", "stateful_tests"]


def test_the_packages_are_the_folders() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        "mapproof" if folder == ROOT / "mapproof" else f"mapproof.{'.'.join(folder.relative_to(ROOT).parts)}"
        for room in ["mapproof", *ROOMS]
        for folder in (init.parent for init in (ROOT / room).rglob("__init__.py"))
        if not any(parent.is_symlink() for parent in [folder, *folder.parents])
    }
    assert sorted(setuptools["packages"]) == sorted(folders)
    assert setuptools["package-dir"] == {f"mapproof.{room}": room for room in ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_is_linked_into_the_package(room: str) -> None:
    link = ROOT / "mapproof" / room
    assert link.is_symlink()
    assert link.readlink() == Path("..", room)
    assert (link / "__init__.py").is_file()


def test_nothing_else_is_linked() -> None:
    assert sorted(path.name for path in (ROOT / "mapproof").iterdir() if path.is_symlink()) == ROOMS


def test_it_is_typed() -> None:
    assert (ROOT / "mapproof" / "py.typed").exists()


HEAVY = ["hypothesis", "z3", "numpy", "crosshair", "rich", "greenlet"]


@pytest.mark.parametrize("name", ["mapproof", "mapproof.pytest_plugin"])
def test_importing_it_is_light(name: str) -> None:
    code = f"import sys, {name}; print(*[heavy for heavy in {HEAVY} if heavy in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


@pytest.mark.parametrize("name", mapproof.__all__)
def test_each_name_of_the_front_can_be_had(name: str) -> None:
    assert getattr(mapproof, name).__name__ == name


def test_no_other_name_can_be_had() -> None:
    with pytest.raises(AttributeError, match="module 'mapproof' has no attribute 'nothing'"):
        mapproof.nothing  # noqa: B018


def run_pytest(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


SHIPPED = "mapproof.stateful_tests.test_reference_maps::test_the_map_of_the_command_line"


def test_the_shipped_test_checks_the_map_that_is_named(examples: Path, tmp_path: Path) -> None:
    (tmp_path / "check_then_act.py").write_text((examples / "check_then_act.py").read_text())
    ended = run_pytest("--pyargs", SHIPPED, "--map-class", "check_then_act:CheckThenAct", cwd=tmp_path)
    assert ended.returncode == 1
    assert "mapproof: check_then_act:CheckThenAct, 10.0 s, seed 0" in ended.stdout
    assert "MapIsWrong: CheckThenAct" in ended.stdout
    assert "NOT LINEARIZABLE: " in ended.stdout
    assert "1 failed" in ended.stdout


def test_the_shipped_test_passes_a_right_map(tmp_path: Path) -> None:
    ended = run_pytest(
        "--pyargs", SHIPPED, "--map-class", "builtins:dict", "--map-budget", "0.5", cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


def test_the_shipped_test_skips_without_a_map(tmp_path: Path) -> None:
    ended = run_pytest("-rs", "--pyargs", SHIPPED, cwd=tmp_path)
    assert ended.returncode == 0
    assert "1 skipped" in ended.stdout
    assert "no --map-class was given" in ended.stdout


def test_a_map_that_cannot_be_had_fails_in_words(tmp_path: Path) -> None:
    ended = run_pytest("--pyargs", SHIPPED, "--map-class", "no_such:Map", cwd=tmp_path)
    assert ended.returncode != 0
    assert "TARGET: no_such:Map: cannot import no_such" in ended.stdout + ended.stderr


def test_the_fixture_of_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_right(check_map):\n"
        "    assert check_map(dict, budget=0.3).verdict == 'SAMPLED'\n"
        "class Wrong(dict):\n"
        "    def setdefault(self, key, default=None):\n"
        "        if key not in self:\n"
        "            self[key] = default\n"
        "        return self[key]\n"
        "def test_wrong(check_map):\n"
        "    with pytest.raises(AssertionError, match='NOT LINEARIZABLE'):\n"
        "        check_map(Wrong, budget=20)\n"
    )
    ended = run_pytest("test_it.py", cwd=tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout
