"""`mapproof prove`: systems of one's own right, wrong and badly written; the table, the accounts, the files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("z3")

SYSTEM = '''"""A counter that two threads may not pass."""

from mapproof.proofs.language import *


class Counter(Globals, prefix="counter"):
    value = Field(Int)


counter = Counter()


@action
def initial() -> None:
    """nothing is counted"""
    counter.value = 0


@action
def count_up() -> None:
    """counter.value += 1"""
    when(counter.value < 3)
    counter.value = counter.value + 1


@action
def count_past() -> None:
    """counter.value += 1, unchecked"""
    counter.value = counter.value + 1


@invariant("the counter stays in bounds")
def bounded() -> Bool:
    """From 0 to 3."""
    return all_of(counter.value >= 0, counter.value <= 3)


def counting(name: str, step: Action) -> System:
    return system(
        name, scope="all runs", state=(Counter,), initial=initial, actions=(step,), invariants=(bounded,)
    )


RIGHT = counting("a counter", count_up)
'''
WRONG = """WRONG = counting("an unchecked counter", count_past)
BOUNDS = [Bound({}, {"count_past": 4})]
"""
MUTANT = """
MUTANTS = [
    Mutant(
        "count past",
        RIGHT,
        (action(name="count_up")(lambda: setattr(counter, "value", counter.value + 1)),),
        bounded,
        Fault.BROKEN_STATE,
        Bound({}, {"count_up": 4}),
    )
]
BOUNDS = [Bound({})]
"""


@pytest.fixture
def file(here: Path) -> Path:
    made = here / "counters.py"
    made.write_text(SYSTEM)
    return made


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d\b", "_", text)


def one_line(result: Any) -> str:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    said: str = result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert said.startswith("Error: ")
    return said.removeprefix("Error: ")


def test_a_right_system_is_proved(mapproof: Any, file: Path) -> None:
    result = mapproof("prove", "--system", file, "--json", "out.json")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert re.fullmatch(
        r"a counter  2 obligations PROVED by Z3 in \d\.\d s, slowest query \d\.\d s; 1 of 1 steps can happen", lines[0]
    )  # fmt: skip
    assert lines[1].strip() == "all runs"
    assert lines[2].split("  ")[1] == "PROVED"
    assert lines[-1] == "1 PROVED, 1 EXHAUSTED"
    report = json.loads(Path("out.json").read_text())
    assert [found["name"] for found in report["results"]] == [
        "a counter: the counter stays in bounds",
        "a counter: every step of the model can happen",
    ]


def test_a_wrong_system_is_refuted_with_its_state_and_its_class(mapproof: Any, file: Path) -> None:
    file.write_text(SYSTEM + WRONG)
    result = mapproof("prove", "--system", f"{file.name}:WRONG")
    assert (result.exit_code, result.stderr) == (1, "")
    for part in (
        "step    count_past()    counter.value += 1, unchecked\nbreaks  the counter stays in bounds\n        From 0 to 3.",
        "  *  counter.value  3       4",
        "a reachable bug",
        "shortest run that breaks it, 4 steps:",
    ):
        assert part in result.stdout
    both = mapproof("prove", "--system", file, "--summary")
    assert both.exit_code == 1
    assert "a counter: 1 statement" in both.stdout


def test_two_runs_say_the_same_but_for_the_times(mapproof: Any, file: Path) -> None:
    file.write_text(SYSTEM + WRONG + MUTANT.replace("BOUNDS = [Bound({})]", ""))
    first, second = (mapproof("prove", "--system", file) for _ in range(2))
    assert without_times(first.stdout) == without_times(second.stdout)
    assert first.stdout.count("PROVED") > 1


def test_mutants_and_bounds_stand_beside_the_system(mapproof: Any, file: Path) -> None:
    file.write_text(SYSTEM + MUTANT)
    result = mapproof("prove", "--system", file, "counter")
    assert result.exit_code == 0
    assert "mutants: caught 1 of 1" in result.stdout
    assert "count past: count_up breaks the counter stays in bounds" in result.stdout, (
        "said to who asks by name"
    )
    assert "all 4 states" in result.stdout
    told = mapproof("prove", "--system", file, "--explain", "count past")
    assert told.exit_code == 0
    assert "REFUTED  count_up/bounded    the counter stays in bounds" in told.stdout


@pytest.mark.parametrize("name", ["bounded", "a counter: the counter stays in bounds", "count_up/bounded"])
def test_a_statement_is_explained(mapproof: Any, file: Path, name: str) -> None:
    result = mapproof("prove", "--system", file, "--explain", name)
    assert result.exit_code == 0
    assert "counter.value <= 3" in result.stdout
    assert "count_up/bounded    uses bounded" in result.stdout


def test_what_is_not_there_cannot_be_explained(mapproof: Any, file: Path) -> None:
    assert one_line(mapproof("prove", "--system", file, "--explain", "nonsense")) == (
        "no statement, obligation, action or mutant is named 'nonsense'"
    )


def test_cvc5_reads_the_files_that_are_kept(mapproof: Any, file: Path, here: Path) -> None:
    pytest.importorskip("cvc5")
    result = mapproof("prove", "--system", file, "--smt", "asked")
    assert result.exit_code == 0
    assert "2 obligations PROVED by Z3 and cvc5" in result.stdout
    assert sorted(made.name for made in (here / "asked").iterdir()) == [
        "a_counter-count_up.smt2",
        "a_counter-initial.smt2",
    ]
    assert (
        (here / "asked" / "a_counter-count_up.smt2")
        .read_text()
        .startswith("; system: a counter\n; action: count_up")
    )


def test_one_by_one_asks_each_obligation_alone(mapproof: Any, file: Path) -> None:
    assert mapproof("prove", "--system", file, "--one-by-one").exit_code == 0


def test_without_time_there_is_no_verdict(mapproof: Any, file: Path) -> None:
    result = mapproof("prove", "--system", file, "--timeout", "0.0001")
    assert (result.exit_code, "UNDECIDED" in result.stdout) == (3, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n", "no system is defined; `NAME = system(...)` at the level of the module"),
        ("def broken(:\n", "1: invalid syntax"),
        ("\nimport nowhere_at_all\n", "2: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        (
            SYSTEM.replace("when(counter.value < 3)", "if counter.value < 3: pass"),
            ("22: TermUsedAsTruth: in count_up: a term has no truth value: "
            "write all_of, any_of, ~, implies, If in place of and, or, not, if"),
        ),
        (
            SYSTEM.replace("counter.value = counter.value + 1", "counter.valeu = counter.value + 1", 1),
            "23: ModelError: in count_up: Counter has no field valeu",
        ),
        (SYSTEM.replace("counter.value = 0", "counter.value = True"), "16: ModelError: in initial: expected a Int, got bool"),
        (SYSTEM + "MUTANTS = 7\n", "MUTANTS is not a tuple of Mutants"),
        (
            SYSTEM.replace("when(counter.value < 3)", "claim('bounded', counter.value < 3)"),
            "a counter: bounded is the name of a statement and the title of a claim",
        ),
        (SYSTEM + "raise SystemExit('enough')\n", "SystemExit: enough"),
        (SYSTEM + 'OTHER = counting("a counter", count_past)\n', "two systems are named alike"),
    ],
    ids=["none", "syntax", "import", "if", "misspelt", "wrong sort", "mutants", "title", "exit", "alike"],
)  # fmt: skip
def test_an_error_of_the_file_is_one_line(mapproof: Any, file: Path, text: str, says: str) -> None:
    file.write_text(text)
    said = one_line(mapproof("prove", "--system", file))
    assert said.startswith(f"{file}:")
    assert said.endswith(says)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nowhere.py", "nowhere.py: there is no such file"),
        ("nowhere", "'nowhere' is not of the form FILE.py or FILE.py:NAME"),
        ("counters.py:LEFT", "counters.py: there is no system LEFT; it defines RIGHT"),
    ],
)
def test_a_file_that_is_not_there_is_one_line(mapproof: Any, file: Path, target: str, says: str) -> None:
    assert one_line(mapproof("prove", "--system", target)) == says


def test_the_summary_is_what_the_main_job_takes(mapproof: Any, file: Path) -> None:
    result = mapproof("prove", "--system", file, "--summary", "--quiet", "--json", "out.json")
    assert (result.exit_code, result.stdout) == (0, "")
    report = json.loads(Path("out.json").read_text())
    assert [(found["name"], found["scope"]) for found in report["results"]] == [
        ("a counter: 1 statement", "all runs; 2 obligations by Z3"),
        ("a counter: every step of the model can happen", "1 of 1 steps"),
    ]
