"""A failing run is told completely and truly: to the letter for some programs, and for all of them by what must hold
between the run, the trace, and its three renderings. Each check is seen to fail on a rendering with a slip in it."""

from __future__ import annotations

import ast
import io
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from types import CodeType
from typing import Any, get_args

import maps_to_test as maps
import msgspec
import pytest
import told_programs as programs
from accounts import CASES, FOLDER, WIDTHS, of_map, of_object, told
from failing_runs import first_failure, on, replayed
from rich.console import Console

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.places import Place
from mapproof.stateful_tests.trace import Trace, collapse, layout, plain, tell, trace
from mapproof.stateful_tests.trace.as_json import TraceError, as_json, from_json
from mapproof.stateful_tests.trace.events import (
    End,
    Held,
    Omitted,
    Recorded,
    Repeat,
    Row,
    State,
    Step,
    Switch,
    Touch,
)
from mapproof.stateful_tests.trace.lines import Lines
from mapproof.stateful_tests.trace.reading import Eyes
from mapproof.stateful_tests.trace.terminal import COLOURS, Account, coloured

pytestmark = pytest.mark.interpreter

DISTURBED = {"disturbed", "unrepeatable"}


@cache
def case(name: str) -> Trace:
    return CASES[name]()


# -- to the letter


@pytest.mark.parametrize("name", CASES)
def test_the_account_is_as_kept(name: str) -> None:
    """One file for all versions of Python."""
    found = case(name)
    for width in WIDTHS:
        assert told(found, width) == (FOLDER / f"{name}-{width}.txt").read_text()


def test_every_kept_account_has_its_program() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {
        f"{name}-{width}" for name in CASES for width in WIDTHS
    }


# -- what must hold of any account

WIDE = 1_000
"""Nothing is wrapped or cut."""


def columns(text: str) -> list[str]:
    """The lines of the columns, without their head."""
    (part,) = (part for part in text.split("\n\n") if "─┼─" in part)
    return part.split("\n")[2:]


def split(line: str) -> list[str]:
    """The cells of a line."""
    return re.split(" │(?: |$)", line)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def steps_told(text: str) -> int:
    """How many rows of steps a reader can count, as they are shown or as a number of them."""
    count = 0
    for cell in (cell.strip() for line in columns(text) for cell in split(line)):
        if found := re.search(r"… these ([\d,]+) lines \N{MULTIPLICATION SIGN} ([\d,]+)$", cell):
            count += number(found[1]) * (number(found[2]) - 1)
        elif found := re.search(
            r"\(([\d,]+) (?:lines?|access(?:es)?)\)$|… ([\d,]+) (?:lines|accesses)$", cell
        ):
            count += number(found[1] or found[2])
        elif cell[:1] not in ("↷", "✗") and re.search(r"^\w+\.py:\d+ |  \w+\.py:\d+$|^begins$", cell):
            times = re.search(r" \N{MULTIPLICATION SIGN} ([\d,]+)$", cell)
            count += 1 if times is None else number(times[1])
    return count


def flat(rows: Sequence[Row]) -> list[Row]:
    return list(collapse.unfolded(rows))


def complaints(found: Trace) -> Iterator[str]:
    """What is wrong with the renderings of a trace."""
    text = plain(found, WIDE)
    rows = flat(from_json(as_json(found)).rows)
    steps = [row for row in rows if isinstance(row, Step)]
    if steps_told(text) != len(steps):
        yield f"{steps_told(text)} steps are told of {len(steps)}"
    marks = sum("↷" in line for line in columns(text))
    switches = [row for row in rows if isinstance(row, Switch)]
    if marks != len(switches):
        yield f"{marks} switches are told of {len(switches)}"
    for before, after in pairwise(rows):
        clients = [getattr(row, "client", None) for row in (before, after)]
        told = isinstance(before, Switch | State) or isinstance(after, State | End)
        if None not in clients and clients[0] != clients[1] and not told:
            yield f"nothing says why {after} follows {before}"
    yield from _notes(columns(text), rows)
    for width in (40, 60, 80, 118):
        each = layout.width_of_column(found, width)
        for line in columns(plain(found, width)):
            if len(line) > width or ("│" in line and any(len(cell) > each for cell in split(line))):
                yield f"wider than {width}: {line}"


def _notes(lines: list[str], rows: Sequence[Row]) -> Iterator[str]:
    """What was read and written stands with its step: each told line of source has notes of a step of that line."""
    known: dict[str, set[str]] = {}
    for row in rows:
        if isinstance(row, Step) and row.traced:
            notes = "  ".join(touch.note for touch in row.touches if touch.note)
            known.setdefault(f"{Path(row.file).name}:{row.line} ", set()).add(notes)
    for cell in (cell.strip() for line in lines for cell in split(line)):
        for place, texts in known.items():
            if cell.startswith(place) and not any(text in cell for text in texts):
                yield f"a note is missing: {cell}"


@pytest.mark.parametrize("name", CASES)
def test_all_that_happened_is_told_or_counted(name: str) -> None:
    assert list(complaints(case(name))) == []


def _without_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = layout.cells

    def cells(rows: Sequence[Row], **options: Any) -> Iterator[layout.Cell]:
        return (cell for cell in whole(rows, **options) if cell.style is not layout.Style.SWITCH)

    monkeypatch.setattr(layout, "cells", cells)


def _without_count(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = layout.counted
    monkeypatch.setattr(layout, "counted", lambda rows: max(0, whole(rows) - 1))


def _without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = layout.described
    monkeypatch.setattr(layout, "described", lambda step: replace(whole(step), note=""))


def _one_line_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout.Cell, "lines", lambda cell, width: iter([cell]))


def _without_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = layout._shortened
    monkeypatch.setattr(layout, "_shortened", lambda client, rows: whole(client, rows[:-1]))


def _without_switches_in_the_json(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = msgspec.json.encode

    def encode(found: Trace) -> bytes:
        return whole(
            msgspec.structs.replace(found, rows=[row for row in found.rows if not isinstance(row, Switch)])
        )

    monkeypatch.setattr(msgspec.json, "encode", encode)


@pytest.mark.parametrize(
    "slip",
    [
        _without_marks,
        _without_count,
        _without_values,
        _one_line_more,
        _without_the_last,
        _without_switches_in_the_json,
    ],
)
def test_a_rendering_with_a_slip_is_found(
    slip: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = [case(name) for name in ("check_then_act", "spin", "long")]
    slip(monkeypatch)
    assert any(list(complaints(found)) for found in traces)


# -- the run itself


def steps_run(make: Any, *program: str) -> tuple[Trace, list[tuple[int, str]]]:
    """The trace of the first failure, and what a plain watcher hears of the same run: client and line at each step."""
    heard: list[tuple[int, str]] = []

    def watcher(client: int, doing: Any) -> None:
        if client > 0 and isinstance(doing, tuple) and isinstance(doing[0], CodeType):
            heard.append((client, Place(*doing).line))

    with on(make, *program) as (lab, scenario):
        failing = first_failure(lab, scenario)
        found = trace(lab, scenario, failing)
        lab.watch(watcher, None)
        replay = Replay(failing.schedule)
        replay.begin()
        lab.run(scenario, replay)
        lab.watch(None, None)
    return found, heard


@pytest.mark.parametrize(
    ("make", "program"),
    [
        (programs.CheckThenAct, ("store b 9", "load_or_store a 1", "load_or_store a 2; load a")),
        (programs.Sloppy, ("", "store a 1", "store b 2")),
        (programs.Long, ("", "load_or_store a 1", "load_or_store a 2")),
        (maps.Aged, ("store b 9", "load b", "store a 1")),
    ],
)
def test_the_steps_are_those_that_were_run_in_their_order(make: Any, program: tuple[str, ...]) -> None:
    found, heard = steps_run(make, *program)
    lines = []
    for row in flat(found.rows):
        if isinstance(row, Step):
            locks = sum(touch.kind in (Access.LOCK, Access.UNLOCK) for touch in row.touches)
            lines += [(row.client, f"{Path(row.file).name}:{row.line}")] * (row.steps - locks)
    assert lines == heard


def inconsistent(found: Trace) -> list[str]:
    """Reads of the trace that do not answer what its last write of that name put there."""
    memory: dict[str, str] = {}
    wrong = []
    for row in flat(found.rows):
        for touch in row.touches if isinstance(row, Step) else ():
            if touch.value is None or touch.name == "self.counts":  # which is seen through its items
                continue
            if touch.kind in _READS and memory.setdefault(touch.name, touch.value) != touch.value:
                wrong.append(f"{touch.name} is {touch.value}, but was {memory[touch.name]}")
            if touch.kind in _WRITES:
                memory[touch.name] = touch.value
    return wrong


_READS = ("read", Access.LOAD)
_WRITES = ("write", Access.STORE)


class Tally(dict):  # type: ignore[type-arg]
    """Adds in every way that loses something, so that all schedules fail."""

    def __init__(self) -> None:
        super().__init__()
        self.n = 0
        self.counts = [0]

    def __setitem__(self, key: Any, value: Any) -> None:
        before = self.n
        self.n = before + 1
        self.n = self.n + 1
        self.n += 1
        self.counts[0] += self.n
        super().__setitem__(key, value)

    def check_invariants(self) -> None:
        raise AssertionError("always")


def test_a_read_answers_the_last_write() -> None:
    """Also where another thread came between two instructions of one line."""
    with on(Tally, "", "store a 1; store b 2", "store c 3", "store d 4") as (lab, scenario):
        strategy = RandomWalk(7)
        traces = []
        for _ in range(25):
            strategy.begin()
            traces.append(trace(lab, scenario, lab.run(scenario, strategy)))
    assert [wrong for found in traces for wrong in inconsistent(found)] == []
    continued = [
        row for found in traces for row in flat(found.rows) if isinstance(row, Step) and row.continued
    ]
    assert len(continued) > 50
    kinds = Counter(
        touch.kind
        for found in traces
        for row in flat(found.rows)
        if isinstance(row, Step)
        for touch in row.touches
    )
    assert kinds["read"] > 500
    assert kinds["write"] > 300


def test_what_is_read_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an instruction of a line has read must not be read again for the next one: it may have changed since."""
    remembered = Eyes.value

    def read_again(eyes: Eyes, node: ast.expr) -> Any:
        return eyes.read_now(node) if isinstance(node, ast.Attribute) else remembered(eyes, node)

    monkeypatch.setattr(Eyes, "value", read_again)
    with pytest.raises(AssertionError):
        test_a_read_answers_the_last_write()


def test_telling_changes_nothing() -> None:
    with on(maps.CheckThenAct, "", "load_or_store a 1", "load_or_store a 2") as (lab, scenario):
        subject = lab.subject
        failing = first_failure(lab, scenario)
        assert tell(lab, scenario, failing) == tell(lab, scenario, failing)
        assert replayed(lab, scenario, str(failing.schedule)) == failing
        assert lab.subject is subject


def test_a_slip_of_the_watcher_costs_the_values_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise LookupError("a slip")

    monkeypatch.setattr(Lines, "_look", fail)
    found = of_map(programs.CheckThenAct, "", "load_or_store a 1", "load_or_store a 2")
    assert (found.valued, found.repeated) == (False, True)
    assert "Values are not shown" in plain(found)
    monkeypatch.setattr(Lines, "ran", fail)
    with pytest.raises(LookupError):
        of_map(programs.CheckThenAct, "", "load_or_store a 1", "load_or_store a 2")


@pytest.mark.parametrize("name", sorted(set(CASES) - DISTURBED))
def test_no_program_is_disturbed(name: str) -> None:
    assert case(name).valued
    assert case(name).repeated


def test_a_thread_that_the_map_starts_has_a_column() -> None:
    with on(programs.Background, "", "store a 1; load a", "load a; load a") as (lab, scenario):
        strategy = RandomWalk(1)
        found = None
        while found is None or 11 not in found.clients:
            strategy.begin()
            ran = lab.run(scenario, strategy)
            found = None if ran.failure is None else trace(lab, scenario, ran)
    assert found.clients == (1, 2, 11)
    assert re.search(r"^client 1 +│ client 2 +│ thread 11$", plain(found), re.MULTILINE)
    assert list(complaints(found)) == []


# -- locks


def test_a_deadlock_is_drawn_as_a_ring() -> None:
    held = case("abba").cycle
    assert [(each.client, each.lock, each.wanted) for each in held] == [
        (1, "self.data", "self.ages"),
        (2, "self.ages", "self.data"),
    ]
    assert all(
        re.fullmatch(r"told_programs\.py:\d+", place) for each in held for place in (each.taken, each.at)
    )
    assert case("spin").cycle == ()


def test_whoever_waits_for_what_nobody_in_the_ring_has_is_no_part_of_it() -> None:
    found = of_map(maps.LeakyOnce, "", "store a 1", "store a 2")
    assert found.cycle == ()
    assert "✗ waits to lock self._lock, held by client 1, which has ended" in plain(found, WIDE)


def owners(found: Trace) -> list[dict[str, tuple[int, ...]]]:
    return [row.owners for row in flat(found.rows) if isinstance(row, Step) and row.owners is not None]


def test_the_owners_are_told_when_they_change() -> None:
    assert owners(case("abba")) == [{"self.data": (1,)}, {"self.data": (1,), "self.ages": (2,)}]


class SharedFailing(RWMutexMap[Any, Any]):
    def check_invariants(self) -> None:
        raise AssertionError("always")


def test_the_readers_of_a_lock_are_all_told() -> None:
    with on(SharedFailing, "store a 1", "load a", "load a") as (lab, scenario):
        strategy = RandomWalk(1)
        seen: list[dict[str, tuple[int, ...]]] = []
        while not any((1, 2) in each.values() for each in seen):
            strategy.begin()
            seen = owners(trace(lab, scenario, lab.run(scenario, strategy)))
    for before, after in pairwise(seen):
        assert before != after
    assert seen[-1] == {}


# -- the object between two steps


def states(found: Trace) -> list[str]:
    return [row.text for row in flat(found.rows) if isinstance(row, State)]


def test_the_state_is_told_when_it_has_changed() -> None:
    assert states(case("check_then_act_state")) == ["{'b': 9}", "{'b': 9, 'a': 2}", "{'b': 9, 'a': 1}"]
    assert states(case("check_then_act")) == []


def test_a_state_may_be_told_by_a_function() -> None:
    program = (programs.CheckThenAct, "", "load_or_store a 1", "load_or_store a 2")
    assert states(of_map(*program, state=len)) == ["0", "1"]
    assert states(of_map(*program, state=lambda made: f"{len(made)} items")) == ["0 items", "1 items"]
    assert states(of_map(*program, state=lambda made: made["a"])) == [
        "the state could not be told: KeyError: 'a'",
        "2",
        "1",
    ]


def test_the_state_of_a_reference_map_is_what_its_primitives_hold() -> None:
    found = of_object(programs.Counters, "add_once 1", "add_once 1", state=True)
    assert states(found) == ["total = 0, count = 0", "total = 1, count = 0"]
    found = of_object(programs.Twice, "one", "other", state=True)
    assert "mu = held by client 2" in states(found)[-1]


# -- repetition


def touch(name: str, client: int = 1) -> Step:
    return Step(client, "f.py", 1, "f", name, (Touch("read", name),))


def test_what_is_repeated_is_told_once_and_counted() -> None:
    a, b, c = map(touch, "abc")
    assert collapse.fold([a, b, a, b, a, b, c]) == [Repeat((a, b), 3), c]
    assert collapse.fold([a, a, a, a, b]) == [Repeat((a,), 4), b]
    assert collapse.fold([a, b, a, b, c]) == [a, b, a, b, c]
    assert collapse.fold([c, a, a, a]) == [c, Repeat((a,), 3)]
    assert collapse.fold([]) == []


def test_rounds_of_several_clients_are_folded_too() -> None:
    rows: list[Row] = []
    for _ in range(5):
        rows += [touch("a")] * 4 + [
            Switch(1, 2, layout.Why.GAVE_WAY),
            touch("b", 2),
            Switch(2, 1, layout.Why.PREEMPTED),
        ]
    (only,) = collapse.collapsed(rows)
    assert isinstance(only, Repeat)
    assert only.times == 5
    assert list(collapse.unfolded([only])) == rows


@pytest.mark.parametrize("seed", range(200))
def test_folding_loses_nothing(seed: int) -> None:
    rng = random.Random(seed)
    rows: list[Row] = []
    for _ in range(rng.randint(0, 6)):
        block = [touch(rng.choice("ab"), rng.choice((1, 2))) for _ in range(rng.randint(1, 4))]
        rows += block * rng.randint(1, 6)
    assert list(collapse.unfolded(collapse.collapsed(rows))) == rows
    assert len(collapse.collapsed(rows)) <= len(rows)


def test_the_middle_of_a_very_long_run_is_left_out() -> None:
    rows = case("spin").rows
    (left_out,) = (row for row in rows if isinstance(row, Omitted))
    assert left_out.count > 40_000
    assert len(flat(rows)) < 10_000


# -- JSON


@pytest.mark.parametrize("name", CASES)
def test_json_is_read_back_as_it_was(name: str) -> None:
    assert from_json(as_json(case(name))) == case(name)


def test_json_names_its_schema_and_the_kind_of_each_row() -> None:
    read = msgspec.json.decode(as_json(case("check_then_act")))
    assert read["schema"] == 1
    kinds = [row["type"] for row in read["rows"]]
    assert [kind for kind, _ in groupby(kinds)][:4] == ["call", "step", "switch", "call"]
    assert set(kinds) == {"call", "return", "step", "switch"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "no trace: Input data was truncated"),
        (b"{}", "no trace: Object missing required field `kind`"),
        (
            as_json(Trace("deadlock", "", (), (), (), (), (), schema=2)),
            "a trace of schema 2 is not known, only 1",
        ),
    ],
)
def test_what_is_no_trace_is_refused_in_one_line(text: bytes, says: str) -> None:
    with pytest.raises(TraceError, match=re.escape(says)) as refused:
        from_json(text)
    assert "\n" not in str(refused.value)


# -- a terminal


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("width", [80, 118])
def test_a_terminal_shows_the_same_text(name: str, width: int) -> None:
    console = Console(file=io.StringIO(), width=WIDE, color_system="truecolor", force_terminal=True)
    console.print(coloured(case(name), width))
    shown = re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue())  # type: ignore[attr-defined]
    assert [line.rstrip() for line in shown.splitlines()] == plain(case(name), width).splitlines()


def test_each_client_has_its_colour() -> None:
    console = Console(width=118)
    lines = console.render_lines(coloured(case("three_clients"), 118))
    seen = {
        segment.text.strip(): segment.style.color.name
        for line in lines
        for segment in line
        if segment.style is not None and segment.style.color is not None
    }
    for client in (1, 2, 3):
        assert seen[f"client {client}"] == COLOURS[client - 1]
    assert seen["m.setdefault('a', 1)"] == COLOURS[0]


def test_an_account_is_as_wide_as_the_terminal() -> None:
    for width, expected in ((80, 80), (300, 118)):
        console = Console(file=io.StringIO(), width=width)
        console.print(Account(case("abba")))
        rule = next(line for line in console.file.getvalue().splitlines() if "─┼─" in line)  # type: ignore[attr-defined]
        assert len(rule) == len(
            next(line for line in plain(case("abba"), expected).splitlines() if "─┼─" in line)
        )


# -- the manual

PAGE = (Path(__file__).parents[2] / "docs" / "trace.md").read_text()


def test_the_manual_shows_what_is_told() -> None:
    kept = "".join(path.read_text() for path in sorted(FOLDER.iterdir()))
    shown = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert len(shown) == 4
    for example in shown:
        for part in example.split("\n\n"):
            assert part in kept


@pytest.mark.parametrize(
    "struct", [Trace, Touch, Held, Recorded, *get_args(Row)], ids=lambda struct: struct.__name__
)
def test_the_manual_names_every_field(struct: Any) -> None:
    if struct.__struct_config__.tag is None:
        text = PAGE.partition("## JSON")[2]
    else:
        (text,) = re.findall(rf"^\| `{struct.__struct_config__.tag}` \| (.*?) \|", PAGE, re.MULTILINE)
    assert [name for name in struct.__struct_fields__ if f"`{name}`" not in text] == []
