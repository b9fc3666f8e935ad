"""Runs the tests marked `interpreter` on every other supported Python that this machine has: tracing, switching and
replay hang on the interpreter, the rest of the kit does not. Each Python gets a virtual environment of its own
beside `.venv`, made from pyproject.toml. Exits 1 if a test fails on one of them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUPPORTED = ("3.11", "3.12", "3.13")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"

# Prints the version of a CPython that can make virtual environments: Debian's cannot without python3-venv.
PROBE = "import ensurepip, sys, venv; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"


def main() -> None:
    failed = []
    for version in SUPPORTED:
        if version == HERE:
            continue
        python = find(version)
        if python is None:
            say(f"Python {version}: not found")
            continue
        say(f"Python {version}: {python}")
        if not run_tests(environment(python, version)):
            failed.append(version)
    if failed:
        sys.exit(f"tests failed on Python {' and '.join(failed)}")


def say(line: str) -> None:
    print(line, flush=True)  # the tests of a process of their own print after it


def find(version: str) -> Path | None:
    """The first Python of this version that really starts: on PATH, else pyenv's, else uv's."""
    return next((python for python in candidates(version) if starts(python, version)), None)


def candidates(version: str) -> Iterator[Path]:
    """Files that may be this Python. A shim of pyenv is one too, and fails where pyenv has the version turned off."""
    for directory in os.get_exec_path():
        yield Path(directory, f"python{version}").absolute()
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"), "versions")
    data = Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", data / "uv" / "python"))
    for versions, pattern in (pyenv, f"{version}.*"), (uv, f"cpython-{version}.*"):
        for installed in sorted(versions.glob(pattern)):
            yield installed / "bin" / f"python{version}"


def starts(python: Path, version: str) -> bool:
    if not os.access(python, os.X_OK):
        return False
    try:
        ended = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0 and ended.stdout.split() == ["cpython", version]


def environment(python: Path, version: str) -> Path:
    """The Python of a virtual environment that holds the clone and what its tests need; made where there is none."""
    folder = ROOT / f".venv-{version}"
    inside, installed = folder / "bin" / "python", folder / ".installed"
    if starts(inside, version) and installed.exists() and newer(installed, ROOT / "pyproject.toml"):
        return inside
    for command in (
        [str(python), "-m", "venv", "--clear", str(folder)],
        [str(inside), "-m", "pip", "install", "--quiet", "--editable", ".[test]"],
    ):
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            sys.exit(f"Python {version}: no virtual environment could be made: {shlex.join(command)} failed")
    installed.touch()
    return inside


def newer(file: Path, other: Path) -> bool:
    return file.stat().st_mtime >= other.stat().st_mtime


def run_tests(python: Path) -> bool:
    pytest = [str(python), "-m", "pytest", "-q", "-n", "auto", "-m", "interpreter"]
    return subprocess.run([*pytest, *marked()], cwd=ROOT, check=False).returncode == 0


def marked() -> list[str]:
    """The files with such tests: the others need not import, for their extras are not installed."""
    files = (ROOT / "tests").rglob("test_*.py")
    return sorted(str(file) for file in files if "pytest.mark.interpreter" in file.read_text())


if __name__ == "__main__":
    main()
