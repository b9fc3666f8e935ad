"""The command line: exit codes, one line for each way to use it wrongly, help that fits a screen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mapproof import __version__
from mapproof.report import SCHEMA

VERBS = ["verify", "check", "history", "prove", "replay"]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def one_line(result: Any) -> str:
    """What an error says: one line, no traceback, exit code 2."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    said = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1, result.stderr
    assert result.stderr.rstrip().endswith(said[0]), "the error is the last line"
    return said[0].removeprefix("Error: ")


@pytest.mark.parametrize(
    "verb", [[], *([verb] for verb in VERBS)], ids=lambda verb: " ".join(verb) or "mapproof"
)
def test_help_fits_a_screen(mapproof: Any, verb: list[str]) -> None:
    result = mapproof(*verb, "--help")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert "Exit codes: 0 nothing wrong found, 1 a counterexample" in " ".join(result.stdout.split())
    assert mapproof(*verb, "-h").stdout == result.stdout


def test_every_verb_is_listed(mapproof: Any) -> None:
    listed = mapproof("--help").stdout.partition("Commands:")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^  (\w+)", listed, re.MULTILINE)) == sorted(VERBS)


def test_version(mapproof: Any) -> None:
    assert __version__ in mapproof("--version").stdout


# -- check


def test_a_wrong_map_exits_1_with_its_account(mapproof: Any, here: Path) -> None:
    result = mapproof("check", "check_then_act:CheckThenAct", "--json", "out.json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "NOT LINEARIZABLE: " in result.stdout
    assert "replay: mapproof replay .mapproof/CheckThenAct-" in result.stdout
    assert result.stdout.rstrip().endswith("1 FAILED")
    (saved,) = (here / ".mapproof").iterdir()
    assert json.loads(saved.read_text())["request"]["target"] == "check_then_act:CheckThenAct"
    report = json.loads((here / "out.json").read_text())
    assert (report["exit"], report["results"][0]["verdict"]) == (1, "FAILED")
    assert "NOT LINEARIZABLE: " in report["results"][0]["counterexample"]


def test_a_right_map_exits_0_and_is_only_sampled(mapproof: Any, here: Path) -> None:
    result = mapproof("check", "builtins:dict", "--budget", "0.5", "--seed", "3", "--json", "out.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.rstrip().endswith("1 SAMPLED")
    assert not (here / ".mapproof").exists()
    report = json.loads((here / "out.json").read_text())
    assert set(report) == {"schema", "exit", "seed", "versions", "results"}
    assert (report["schema"], report["exit"], report["seed"]) == (1, 0, 3)
    assert report["schema"] == SCHEMA
    assert {"mapproof", "python", "hypothesis", "greenlet"} <= set(report["versions"])
    (found,) = report["results"]
    assert set(found) == {"name", "kind", "verdict", "scope", "seconds"}
    assert (found["name"], found["kind"], found["verdict"]) == ("builtins:dict", "exploration", "SAMPLED")
    assert isinstance(found["seconds"], float)


def test_a_map_that_cannot_be_looked_at_exits_3(mapproof: Any, here: Path) -> None:
    (here / "waits_in_c.py").write_text(
        "import select\n"
        "class Map(dict):\n"
        "    def __setitem__(self, key, value):\n"
        "        select.select([], [], [], 60)\n"
    )
    result = mapproof("check", "waits_in_c:Map", "--budget", "1")
    assert (result.exit_code, result.stderr) == (3, "")
    assert result.stdout.rstrip().endswith("1 INCONCLUSIVE")
    assert "waits_in_c.py" in " ".join(result.stdout.split())


def test_arguments_are_passed_on(mapproof: Any, here: Path) -> None:
    (here / "with_arguments.py").write_text(
        "class Map(dict):\n"
        "    def __init__(self, size, *, name):\n"
        "        assert (size, name) == (3, 'x')\n"
        "        super().__init__()\n"
        "class Outer:\n"
        "    Inner = Map\n"
    )
    options = ["--args", "[3]", "--kwargs", '{"name": "x"}', "--budget", "0.3", "--ops", "load,store"]
    for target in ("with_arguments:Map", "with_arguments:Outer.Inner"):
        assert mapproof("check", target, *options).exit_code == 0


def test_a_module_in_the_working_directory_is_found(process: Any, tmp_path: Path) -> None:
    (tmp_path / "local_map.py").write_text("Map = dict\n")
    assert process("check", "local_map:Map", "--budget", "0.3", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], r"TARGET: 'nonsense' is not of the form pkg\.mod:attr"),
        (["builtins:"], r"TARGET: 'builtins:' is not of the form"),
        ([":dict"], r"TARGET: ':dict' is not of the form"),
        (["no_such_module:Map"], r"cannot import no_such_module: ModuleNotFoundError: No module named"),
        (["broken_module:Map"], r"cannot import broken_module: ZeroDivisionError: division by zero"),
        (["leaves:Map"], r"cannot import leaves: SystemExit"),
        (["builtins:nothing"], r"TARGET: builtins:nothing: builtins has no nothing"),
        (["builtins:dict.no.thing"], r"builtins has no dict\.no\.thing"),
        (["math:pi"], r"TARGET: math:pi is a float, not a class or a factory"),
        (["builtins:dict", "--args", "[1"], r"--args: not JSON: "),
        (["builtins:dict", "--args", "{}"], r"--args: a list is needed, not \{\}"),
        (["builtins:dict", "--kwargs", "[]"], r"--kwargs: an object is needed, not \[\]"),
        (["builtins:dict", "--ops", "load,fly"], r"Invalid value for '--ops': 'fly' is none of load, store"),
        (["builtins:dict", "--ops", ""], r"Invalid value for '--ops': '' is none of"),
        (["builtins:dict", "--ops", "swap"], r"does not offer swap; it offers load, "),
        (["builtins:dict", "--atomic", "load"], r"'load' is none of range, clear, len"),
        (["builtins:dict", "--budget", "0"], r"Invalid value for '--budget'"),
        (["builtins:dict", "--budget", "nan"], r"Invalid value for '--budget'"),
        (["builtins:dict", "--seed", "-1"], r"Invalid value for '--seed'"),
        (["builtins:int"], r"int is not a map: it has neither"),
        (["builtins:dict", "--args", "[5]"], r"making one raised TypeError: 'int' object is not iterable"),
        (["builtins:dict", "--failures", "a_file"], r"Invalid value for '--failures'"),
        (["builtins:dict", "--json", "no/such/place.json"], r"--json: .*No such file"),
        ([], r"Missing argument 'TARGET'"),
        (["builtins:dict", "--fast"], r"No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_of_check_is_one_line(mapproof: Any, here: Path, arguments: list[str], says: str) -> None:
    (here / "broken_module.py").write_text("1 / 0\n")
    (here / "leaves.py").write_text("raise SystemExit(0)\n")
    (here / "a_file").write_text("")
    if "--json" in arguments:
        arguments = [*arguments, "--budget", "0.1"]
        result = mapproof("check", *arguments)
        assert result.exit_code == 2
        assert re.fullmatch(f"Error: {says}.*\n", result.stderr)
        return
    assert re.search(says, one_line(mapproof("check", *arguments)))


def test_a_huge_seed_is_as_good_as_any(mapproof: Any, here: Path) -> None:
    seed = 10**30
    result = mapproof("check", "builtins:dict", "--budget", "0.2", "--seed", seed, "--json", "out.json")
    assert result.exit_code in (0, 2), result.output
    assert "Traceback" not in result.stderr


def test_a_campaign_that_ran_nothing_is_no_pass(mapproof: Any) -> None:
    result = mapproof("check", "builtins:dict", "--budget", "1e-9")
    assert (result.exit_code, "INCONCLUSIVE" in result.stdout) == (3, True), result.stdout


def test_nothing_but_text_when_nobody_looks(process: Any, tmp_path: Path) -> None:
    for arguments in (
        ["check", "check_then_act:CheckThenAct", "--failures", tmp_path],
        ["history", "history_bad.jsonl"],
        ["prove", "routing", "doubling sends"],
    ):
        ended = process(*arguments)
        assert ended.stderr == ""
        assert not CONTROL.search(ended.stdout)


# -- prove


def test_prove_names_what_it_proves(mapproof: Any, here: Path) -> None:
    pytest.importorskip("z3")
    result = mapproof("prove", "ROUTING", "doubling sends", "--json", "out.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "1 PROVED" in result.stdout
    report = json.loads((here / "out.json").read_text())
    assert report["seed"] is None
    assert [found["kind"] for found in report["results"]] == ["proof"]


def test_prove_quietly_prints_nothing(mapproof: Any) -> None:
    pytest.importorskip("z3")
    result = mapproof("prove", "routing", "doubling sends", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_prove_knows_its_statements(mapproof: Any) -> None:
    assert one_line(mapproof("prove", "no", "such")) == (
        "no statement is named 'no such'; `mapproof prove` lists them all"
    )


def test_a_prover_without_time_gives_no_verdict(mapproof: Any) -> None:
    pytest.importorskip("z3")
    result = mapproof("prove", "sync.Map", "every step", "--timeout", "0.0001")
    assert (result.exit_code, "UNDECIDED" in result.stdout) == (3, True)
