"""What docs/state-machines.md shows runs and says what the page says; so does the example."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from mapproof.stateful_tests.interleaved import InterleavedStateMachine
from mapproof.stateful_tests.interleaved_programs import EFFORTS, MOST_OF_A_THREAD, MOST_TOGETHER
from mapproof.stateful_tests.profiles import register_profiles

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "state-machines.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(*arguments: str, at: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=at,
        env={"PYTHONPATH": str(ROOT / "examples"), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def up_to_the_schedule(text: str) -> str:
    return text.partition("schedule: ")[0]


def test_the_program_of_the_page_runs(tmp_path: Path) -> None:
    (program,) = blocks("python")
    run("-c", f"{program}\ntest_tickets()", at=tmp_path)


def test_the_example_fails_as_the_page_shows(tmp_path: Path) -> None:
    (shown,) = blocks("text")
    told = run(str(ROOT / "examples" / "ticket_machine.py"), at=tmp_path)
    assert up_to_the_schedule(told) == up_to_the_schedule(shown)
    assert shown.splitlines()[-1] in told.splitlines()


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    words = {3: "three", 5: "five", 8: "eight"}
    assert f"in `schedules` schedules ({InterleavedStateMachine.schedules};" in " ".join(PAGE.split())
    assert f"{words[EFFORTS[0]]} times as many while it is shrunk" in " ".join(PAGE.split())
    assert f"{words[MOST_OF_A_THREAD]} drawn rules each, {words[MOST_TOGETHER]} in all" in " ".join(
        PAGE.split()
    )


@pytest.mark.parametrize("name", register_profiles())
def test_the_profiles_of_the_page_are_those_of_the_code(name: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    assert f"{settings.get_profile(name).max_examples:,} examples" in row
