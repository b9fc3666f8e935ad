"""What docs/state-machines.md shows runs and says what the page says; so does the example."""

from __future__ import annotations

import re
import runpy
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


@pytest.fixture(autouse=True)
def at_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a reader runs it, but with an example database that is thrown away."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.delitem(sys.modules, "ticket_machine", raising=False)


def up_to_the_schedule(text: str) -> str:
    return text.partition("schedule: ")[0]


def test_the_program_of_the_page_runs(tmp_path: Path) -> None:
    (program,) = blocks("python")
    (tmp_path / "program.py").write_text(program)
    runpy.run_path(str(tmp_path / "program.py"))["test_tickets"]()


def test_the_example_fails_as_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = blocks("text")
    runpy.run_path(str(ROOT / "examples" / "ticket_machine.py"), run_name="__main__")
    told = capsys.readouterr().out
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
