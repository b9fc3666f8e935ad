"""The manual says what is true: its commands are run, its tables compared with the code, its links followed.

The idea: what a page shows as a console is run in a copy of `examples/` and must print the same, apart from what
differs from run to run (seconds, counts of schedules, the name of a failure file). Each reader of a page is also
shown a page that is wrong, and must find what is wrong with it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapproof.cli import main
from mapproof.spec.claims import Contract
from mapproof.spec.evidence import Verdict, exit_code
from mapproof.spec.history import History
from mapproof.spec.linearizability import Linearizable, check
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.explorer import simulation, watchdog
from mapproof.stateful_tests.explorer.cooperative_threading.patching import REPLACEMENTS
from mapproof.stateful_tests.explorer.plan import MOST_EXECUTIONS, NAMES
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import KEYS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text()
JSON_PAGE = (ROOT / "docs" / "json.md").read_text()
FORMAT_PAGE = (ROOT / "docs" / "history-format.md").read_text()
EXPLORER_PAGE = (ROOT / "docs" / "explorer.md").read_text()
PROOFS_PAGE = (ROOT / "docs" / "proofs.md").read_text()
REAL_THREADS_PAGE = (ROOT / "docs" / "real-threads.md").read_text()

# -- reading a page


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def tables(page: str) -> list[list[list[str]]]:
    """Each table as rows of cells, the head first, the line of dashes left out."""
    found = re.findall(r"(?:^\|.*\|$\n?)+", page, re.MULTILINE)
    return [
        [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in table.splitlines()
            if "---" not in line
        ]
        for table in found
    ]


def table(page: str, head: str) -> list[list[str]]:
    """The rows below the head of the first table whose first column is called so."""
    return next(rows[1:] for rows in tables(page) if rows[0][0] == head)


def plain(cell: str) -> str:
    return cell.replace("`", "")


# -- links, files, targets


def anchors(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: str, folder: Path) -> list[str]:
    """Relative links whose file, or whose heading in that file, does not exist."""
    return [
        link for link in re.findall(r"\]\(([^)]+)\)", prose(page)) if not leads_somewhere(link, page, folder)
    ]


def leads_somewhere(link: str, page: str, folder: Path) -> bool:
    if re.match(r"[a-z]+:", link):
        return True
    name, _, anchor = link.partition("#")
    if not name:
        return anchor in anchors(page)
    file = folder / name
    return file.exists() and (not anchor or anchor in anchors(file.read_text()))


def missing_files(page: str) -> list[str]:
    """Names in code style that look like files of ours and are none; a bare name may stand in any folder."""
    named = re.findall(r"`([\w./]+\.(?:py|toml|jsonl|md))`", prose(page))
    ours = [
        path for room in ("spec", "impl", "stateful_tests", "proofs") for path in (ROOT / room).rglob("*")
    ]
    bare = {path.name for path in [*ours, *ROOT.glob("mapproof/*"), *ROOT.iterdir()]}
    inside = [ROOT, ROOT / "stateful_tests"]
    return [n for n in named if n not in bare and not any((folder / n).exists() for folder in inside)]


def unknown_tests(page: str) -> list[str]:
    """Names in code style that look like tests of ours and are none."""
    named = set(re.findall(r"`(test_\w+)`", prose(page)))
    known = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    return sorted(named - known)


def unknown_targets(page: str) -> list[str]:
    known = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join([*re.findall(r"`[^`\n]+`", prose(page)), *blocks(page, "sh")])
    return [target for target in re.findall(r"\bmake ([a-z0-9-]+)", code) if target not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_at_exists(page: Path) -> None:
    text = page.read_text()
    assert broken_links(text, page.parent) == []
    assert missing_files(text) == []
    assert unknown_tests(text) == []
    assert unknown_targets(text) == []


def reached(pages: dict[Path, str], start: Path) -> set[Path]:
    """The pages to which links lead from one of them, over others."""
    found, left = {start}, [start]
    while left:
        page = left.pop()
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose(pages[page]))
        new = {(page.parent / link).resolve() for link in links} & pages.keys() - found
        found |= new
        left += new
    return found


def test_every_page_can_be_found_from_the_front() -> None:
    assert reached({page: page.read_text() for page in PAGES}, ROOT / "README.md") == set(PAGES)


def test_a_page_that_nobody_points_at_is_found() -> None:
    front, page, lost = (ROOT / name for name in ("README.md", "docs/a.md", "docs/b.md"))
    assert reached({front: "[a](docs/a.md#title)", page: "", lost: "[c](a.md)"}, front) == {front, page}


def test_a_page_that_points_nowhere_is_found() -> None:
    page = "# A title\n[a](README.md) [b](nowhere.md) [c](#a-title) [d](#no-title) [e](README.md#no-title)\n"
    assert broken_links(page, ROOT) == ["nowhere.md", "#no-title", "README.md#no-title"]
    assert missing_files("`spec/model.py`, `shrink.py`, `spec/no.py`, `no.py`") == ["spec/no.py", "no.py"]
    assert unknown_tests("`test_a_page_that_points_nowhere_is_found`, `test_nothing`") == ["test_nothing"]
    assert unknown_targets("`make test`, `make tea`, make sure\n```sh\nmake cake\n```\n") == ["tea", "cake"]


# -- commands


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `examples/`, where commands may leave files."""
    copy = tmp_path_factory.mktemp("docs") / "examples"
    return Path(shutil.copytree(ROOT / "examples", copy, ignore=shutil.ignore_patterns(".*", "__pycache__")))


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python as nobody at a terminal would see it."""
    quiet = {
        name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "TTY_COMPATIBLE")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=quiet,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shown(page: str) -> list[tuple[str, str]]:
    """(arguments, output) of each command that the page shows with what it prints."""
    return [tuple(block.removeprefix("$ mapproof ").split("\n", 1)) for block in blocks(page, "console")]  # type: ignore[misc]


def comparable(output: str) -> list[str]:
    """The lines of an output, without what differs from run to run. A table is one line: it wraps as it must."""
    head, rule, tail = re.fullmatch(r"(?s)(.*?)(?:(\S+ ─{20,})\n(.*))?", output).groups(default="")  # type: ignore[union-attr]
    words = [word for word in head.split() if not re.fullmatch(r"\d+\.\d", word)]  # without the seconds
    head = re.sub(r"[\d,]+ (?=schedules|kinds|distinct|scenarios)", "N ", " ".join(words))
    tail = re.sub(r"-[0-9a-f]{8}\.json", "-NAME.json", tail)
    return [head, rule.rstrip("─ "), *(line.rstrip() for line in tail.rstrip().splitlines())]


def promised_exit(output: str) -> int:
    if output.startswith("Error: "):
        return 2
    return exit_code(
        verdict for verdict in Verdict if re.search(rf"\b\d+ {verdict}\b", output.splitlines()[-1])
    )


SHOWN = [*shown(README), *shown(EXPLORER_PAGE), *shown(PROOFS_PAGE)]


@pytest.mark.parametrize(("arguments", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_the_page_shows(arguments: str, output: str, examples: Path) -> None:
    done = run(["-m", "mapproof", *shlex.split(arguments)], examples)
    assert comparable(done.stdout + done.stderr) == comparable(output)
    assert done.returncode == promised_exit(output)


def test_an_output_that_differs_in_substance_is_found() -> None:
    output = dict(shown(README))["check check_then_act:CheckThenAct"]
    again = re.sub(r"\d+ schedules, \d+", "1,234 schedules, 56", output)
    assert comparable(again) == comparable(output)
    for old, new in (
        ("m.setdefault(0, 2)  → 2", "m.setdefault(0, 2)  → 1"),
        ("↷ switch", "↷ ended"),
        ("1 preemption.", "2 preemptions."),
        ("FAILED", "SAMPLED"),
        ("range weak", "range atomic"),
    ):
        assert old in output
        assert comparable(output.replace(old, new, 1)) != comparable(output)


def test_a_failure_that_was_kept_replays(examples: Path) -> None:
    kept = run(["-m", "mapproof", "check", "check_then_act:CheckThenAct", "--failures", "kept"], examples)
    assert kept.returncode == 1
    (file,) = (examples / "kept").iterdir()
    replayed = run(["-m", "mapproof", "replay", str(file), "--times", "3"], examples)
    assert (replayed.returncode, replayed.stdout.splitlines()[-1]) == (1, "failed 3 of 3 times")
    assert promised_exit(kept.stdout) == 1


def commented_checks(page: str) -> list[tuple[str, str]]:
    """(arguments, verdict) of each check in a block of commands that says in a comment what comes out."""
    lines = "\n".join(blocks(page, "sh"))
    return re.findall(r"mapproof (check .*\S) +# (\b[A-Z]{5,}\b)", lines)


COMMENTED = sorted({*commented_checks(README), *commented_checks(EXPLORER_PAGE)})


@pytest.mark.parametrize(("arguments", "verdict"), COMMENTED)
def test_a_check_ends_as_its_comment_says(arguments: str, verdict: str, examples: Path) -> None:
    short = ["--budget", "1"] if verdict == Verdict.SAMPLED else []
    done = run(["-m", "mapproof", *shlex.split(arguments), *short], examples)
    assert done.stdout.splitlines()[-1] == f"1 {verdict}"


def test_all_checks_with_a_comment_are_run() -> None:
    for page in (README, EXPLORER_PAGE):
        lines = [
            line for block in blocks(page, "sh") for line in block.splitlines() if "mapproof check" in line
        ]
        assert sum(re.search(r"# [A-Z]{5,}", line) is not None for line in lines) == len(
            commented_checks(page)
        )
    assert {verdict for _, verdict in COMMENTED} == {"EXHAUSTED", "FAILED", "SAMPLED"}


def test_the_first_screen_ends_with_a_command_that_finds_the_shipped_map_wrong() -> None:
    *_, make_test, last = blocks(README, "sh")[0].splitlines()
    assert make_test.startswith("make test")
    command, *rest = shlex.split(last.partition("&&")[2], comments=True)
    assert command == "../.venv/bin/mapproof"
    assert shlex.join(rest) == shown(README)[0][0]


PROGRAMS = [code for page in (README, FORMAT_PAGE, EXPLORER_PAGE) for code in blocks(page, "python")]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.splitlines()[0][:40])
def test_a_program_runs(program: str, examples: Path) -> None:
    calls = "".join(f"\n{name}()" for name in re.findall(r"^def (test_\w+)", program, re.MULTILINE))
    done = run(["-c", program + calls], examples)
    assert (done.returncode, done.stderr) == (0, "")


def named_proofs(page: str) -> list[list[str]]:
    """What the page gives to `mapproof prove` in quotes: words of names, or a name to explain."""
    return [shlex.split(rest) for rest in re.findall(r"mapproof prove ((?:--explain )?'[^'\n]+')", page)]


@pytest.mark.parametrize("arguments", named_proofs(PROOFS_PAGE), ids=" ".join)
def test_what_the_page_of_the_proofs_names_is_there(arguments: list[str], examples: Path) -> None:
    if arguments[-1] != "MUTANT":
        assert run(["-m", "mapproof", "prove", *arguments], examples).returncode == 0


def test_a_name_that_there_is_not_is_found(examples: Path) -> None:
    assert len(named_proofs(PROOFS_PAGE)) == 3
    assert run(["-m", "mapproof", "prove", "--explain", "no such thing"], examples).returncode == 2


def test_what_the_page_of_the_proofs_reads_is_in_the_example() -> None:
    example = (ROOT / "examples" / "two_phase_resize.py").read_text()
    parts = blocks(PROOFS_PAGE, "python")
    assert len(parts) == 4
    for part in parts:
        assert part in example
    assert parts[0].replace("old", "young") not in example


# -- options


def options_of(command: str) -> set[str]:
    return {
        option for parameter in main.commands[command].params for option in parameter.opts if "--" in option
    }


def unknown_options(page: str) -> list[str]:
    """Options that a command line of the page gives to one of our commands, and that it does not have."""
    lines = re.findall(r"mapproof (check|history|prove|replay|verify)\b([^#\n`]*)", page)
    return [
        f"{command} {option}"
        for command, rest in lines
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest)
        if option not in options_of(command)
    ]


def table_of_options(page: str) -> set[str]:
    """The options in the first column of a table of them."""
    return {option for row in table(page, "option") for option in re.findall(r"--[a-z-]+", row[0])}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_gives_a_command_what_it_does_not_take(page: Path) -> None:
    assert unknown_options(page.read_text()) == []


def test_an_option_that_there_is_not_is_found() -> None:
    assert unknown_options("mapproof check a:B --budget 2 --speed 3") == ["check --speed"]


def test_the_options_are_those_of_the_commands() -> None:
    of_check, of_threads = table_of_options(README), table_of_options(REAL_THREADS_PAGE)
    assert of_check | of_threads == options_of("check")
    assert of_check & of_threads == set()
    assert table_of_options(EXPLORER_PAGE) == options_of("replay")
    mentioned = set(re.findall(r"(?<!\S)`?(--[a-z-]+)", README))
    assert set().union(*map(options_of, main.commands)) <= mentioned | of_threads


def test_the_options_of_pytest_exist(examples: Path) -> None:
    (line,) = [line for line in "\n".join(blocks(README, "sh")).splitlines() if "--pyargs" in line]
    help_text = run(["-m", "pytest", "--help", "-p", "no:cacheprovider"], examples).stdout
    assert [option for option in re.findall(r"--[a-z-]+", line) if option not in help_text] == []


# -- tables


def test_every_verdict_is_explained_with_its_exit_code() -> None:
    for page, head in ((README, "a verdict"), (JSON_PAGE, "verdict")):
        rows = [(word, row) for row in table(page, head) for word in plain(row[0]).split(", ")]
        columns = [len(row) - 1 if head == "a verdict" else 1 for _, row in rows]
        exits = {word: int(row[column]) for (word, row), column in zip(rows, columns, strict=True)}
        assert exits == {str(verdict): exit_code([verdict]) for verdict in Verdict}


def test_the_forms_are_those_of_the_adapters() -> None:
    dict_like = adapter_for({})
    rows = {plain(row[0]): row[1:] for row in table(README, "operation")}
    assert set(rows) == set(Op)
    for op, (for_dicts, for_go) in ((Op(name), map(plain, cells)) for name, cells in rows.items()):
        forms = [form.text.format("v", k="k").replace("MISSING", "d") for form in dict_like.forms.get(op, ())]
        assert for_dicts == " and ".join(forms)
        given = ["k"] * SIGNATURES[op].keyed + [
            name.replace("value", "v") for name in SIGNATURES[op].arguments
        ]
        assert for_go.startswith(f"m.{op}({', '.join(given)})")


def test_the_strategies_are_those_of_the_plans() -> None:
    stated = [name for row in table(EXPLORER_PAGE, "strategy") for name in plain(row[0]).split(", ")]
    assert sorted(stated) == sorted(NAMES)


def test_the_kinds_of_failures_are_those_of_the_recording() -> None:
    assert sorted(row[0] for row in table(EXPLORER_PAGE, "kind")) == sorted(FailureKind)


def test_the_stand_ins_are_those_that_are_put_in_place() -> None:
    """What is built on top of them is there too, as it is the standard library's own."""
    stated = {name for row in table(EXPLORER_PAGE, "from") for name in re.findall(r"`(\w+)`", row[1])}
    replaced = {name for owner, name, _ in REPLACEMENTS if owner in (threading, time) and name[0] != "_"}
    assert {name.removesuffix("_ns") for name in replaced} - NOT_WORTH_A_WORD <= stated


NOT_WORTH_A_WORD = {"get_native_id", "activeCount", "currentThread"}


def test_the_limits_are_those_of_the_code() -> None:
    words = " ".join(EXPLORER_PAGE.split())
    for said in (
        f"takes no more than {MOST_EXECUTIONS:,} schedules",
        f"{simulation.FAIR_STREAK:,} steps in a row",
        f"not ended after {simulation.MAX_STEPS:,} steps",
        f"After {watchdog.SECONDS:.0f} seconds the check ends",
    ):
        assert said in words
    assert len(("once", "twice", "three times")) == simulation.TIMERS
    assert "three times in a run" in words


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"the {KEYS} keys that a scenario may use" in README
    assert f"after\n  {watchdog.SECONDS:.0f} seconds" in README
    assert {contract.value for contract in Contract} == set(
        re.findall(r"^- \*\*(\w+)\*\*[,:]", README, re.MULTILINE)
    )


def test_the_operations_of_the_format_are_those_of_the_model() -> None:
    stated = {plain(row[0]): row[1:] for row in table(FORMAT_PAGE, "op")}
    assert stated == {
        op.value: ["yes" if s.keyed else "no", ", ".join(s.arguments), s.result.value]
        for op, s in SIGNATURES.items()
    }


@pytest.mark.parametrize("page", [README, FORMAT_PAGE], ids=["README", "history-format"])
def test_the_lines_of_a_history_are_read_and_written_back(page: str) -> None:
    (block,) = blocks(page, "json")
    history = History.parse(block.encode().splitlines(keepends=True), "page")
    assert b"".join(history.lines()).decode() == block
    if page is FORMAT_PAGE:
        assert isinstance(check(history), Linearizable)


def test_the_fields_of_a_history_are_those_of_its_lines() -> None:
    (block,) = blocks(FORMAT_PAGE, "json")
    assert {name for line in block.splitlines() for name in json.loads(line)} == fields(FORMAT_PAGE)[0]


# -- the JSON report


def fields(page: str) -> list[set[str]]:
    """The names in each table of fields."""
    return [{plain(row[0]) for row in rows[1:]} for rows in tables(page) if rows[0][0] == "field"]


def reports(examples: Path) -> Iterator[dict[str, Any]]:
    """What the commands write: a violation, a failure, and a history with nothing wrong."""
    for arguments in (
        ["history", "history_bad.jsonl"],
        ["history", "history_good.jsonl"],
        ["check", "check_then_act:CheckThenAct"],
    ):
        done = run(["-m", "mapproof", *arguments, "--json", "report.json"], examples)
        report = json.loads((examples / "report.json").read_text())
        assert report["exit"] == done.returncode
        yield report


def test_the_fields_of_a_report_are_the_documented_ones(examples: Path) -> None:
    of_report, of_result = fields(JSON_PAGE)
    for report in reports(examples):
        assert report.keys() == of_report
        for result in report["results"]:
            optional = set() if result["verdict"] == Verdict.LINEARIZABLE else {"counterexample"}
            assert result.keys() == of_result - {"counterexample"} | optional
        sentence = JSON_PAGE.partition("The packages in `versions` are ")[2].partition("\n")[0]
        assert report["versions"].keys() <= {"mapproof", "python", *re.findall(r"`([\w-]+)`", sentence)}


def test_the_example_of_a_report_is_what_is_written(examples: Path) -> None:
    (block,) = blocks(JSON_PAGE, "json")
    example, written = json.loads(block), next(reports(examples))
    for report in (example, written):
        del report["versions"], report["results"][0]["seconds"]
    assert example == written
