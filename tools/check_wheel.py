"""Builds the wheel and uses it as a stranger would: it holds `mapproof/**` only, and its shipped tests pass in a
fresh virtual environment, outside of the repository. Exits 1 with a line that says what is wrong."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        wheel = build(Path(directory))
        names = zipfile.ZipFile(wheel).namelist()
        foreign = [name for name in names if not name.startswith(("mapproof/", "mapproof-"))]
        if foreign:
            sys.exit(f"the wheel holds more than mapproof/**: {', '.join(foreign)}")
        print(f"{wheel.name}: {len(names)} files, all of them mapproof/** and its metadata")
        use(wheel, Path(directory))


def build(directory: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(directory), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(directory.glob("*.whl"))


def use(wheel: Path, directory: Path) -> None:
    """Install the wheel where nothing else is, and run the tests that it ships."""
    environment = directory / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}[proofs]", "pytest"], check=True)
    elsewhere = directory / "elsewhere"
    elsewhere.mkdir()
    tests = [python, "-m", "pytest", "-q", "--pyargs", "mapproof.stateful_tests"]
    sys.exit(subprocess.run(tests, cwd=elsewhere, check=False).returncode)


if __name__ == "__main__":
    main()
