"""Campaigns of real threads: what ends, stops or corrupts the process is found, and is not found once put right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import maps_for_threads as maps
import pytest

from mapproof.spec.claims import Claims
from mapproof.spec.evidence import Kind, Verdict
from mapproof.spec.history import History
from mapproof.spec.linearizability import Violation, check
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.real_threads.examination import (
    KitFailed,
    RoundFailed,
    ThreadFindings,
    examine_threads,
    silence_for,
)
from mapproof.stateful_tests.real_threads.messages import Fault
from mapproof.stateful_tests.real_threads.source import Source

LOOKING = 8.0
"""Seconds to find what is wrong: it takes a few hundredths of one."""

WELL = 0.2
"""Seconds for a map that has nothing wrong with it."""

KEYED = (Op.LOAD, Op.STORE, Op.LOAD_OR_STORE)


def examined(made: Any, directory: Path, **options: Any) -> ThreadFindings:
    source = made if isinstance(made, Source) else Source.of(made)
    return examine_threads(
        source, **{"budget": WELL, "seed": 1, "silence": 0.7, "failures": directory, **options}
    )


def failed(made: Any, directory: Path, fault: Fault, **options: Any) -> RoundFailed:
    findings = examined(made, directory, **{"budget": LOOKING, **options})
    assert findings.verdict is Verdict.FAILED, findings.scope
    found = findings.counterexample
    assert found is not None
    assert found.fault is fault, found.account
    assert found.account.startswith(f"{fault.upper()}: {found.summary}")
    assert findings.evidence().counterexample == found.account
    return found


def history_of(found: RoundFailed, directory: Path) -> History:
    """As anybody reads it from the disk."""
    assert found.history is not None
    assert found.history.parent == directory
    assert found.account.endswith(f"history: mapproof history {found.history}")
    return History.read(found.history)


ENDINGS = [
    (maps.Aborts, Fault.CRASH, "the process was killed by SIGABRT"),
    (maps.Segfaults, Fault.CRASH, "the process was killed by SIGSEGV"),
    (maps.Exits, Fault.EXIT, "the process ended with exit code 7"),
    (maps.ExitsAsIfAllWereWell, Fault.EXIT, "the process ended with exit code 0"),
]


@pytest.mark.parametrize(
    ("made", "fault", "summary"), ENDINGS, ids=lambda value: getattr(value, "__name__", "")
)
def test_what_ends_the_process_is_found(made: Any, fault: Fault, summary: str, tmp_path: Path) -> None:
    found = failed(made, tmp_path, fault)
    assert found.summary == summary
    running = [op for op in history_of(found, tmp_path).operations if op.pending]
    assert Op.STORE in {op.op for op in running}, found.account
    assert re.search(r"running at the end:\n(  client .*\n)*  client \d  m\[\d+\] = \d+\n", found.account)
    if fault is Fault.CRASH:
        assert re.search(
            r"client \d, innermost first:\n(    .*\n)*    .*/maps_for_threads\.py:\d+ in end\n", found.account
        )
    assert ("corrupted size vs. prev_size" in found.account) == (made is maps.Aborts)


GUARDED = [
    maps.AbortsGuarded,
    maps.CountsGuarded,
    maps.Ordered,
]


@pytest.mark.parametrize("made", GUARDED)
def test_nothing_is_found_once_it_is_put_right(made: Any, tmp_path: Path) -> None:
    findings = examined(made, tmp_path)
    assert findings.verdict is Verdict.SAMPLED, findings.evidence().counterexample
    assert findings.tally.rounds > 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("made", [maps.Crossed, maps.Spins])
def test_a_hang_is_found(made: Any, tmp_path: Path) -> None:
    found = failed(made, tmp_path, Fault.HANG)
    assert found.summary == "nothing began or ended for 0.7 s"
    running = [op for op in history_of(found, tmp_path).operations if op.pending]
    assert len(running) >= (2 if made is maps.Crossed else 1)
    stacks = found.account.partition("\nstacks:\n")[2]
    of_every = all if made is maps.Crossed else any  # one that spins may be met on its way into the map
    assert of_every(f"client {op.client}, innermost first:\n    {maps.__file__}:" in stacks for op in running)
    assert "another thread" not in stacks


def test_a_lost_update_is_found(tmp_path: Path) -> None:
    found = failed(maps.LosesUpdates, tmp_path, Fault.VIOLATION, ops=KEYED)
    assert isinstance(check(history_of(found, tmp_path)), Violation)
    assert "the core, call..return in nanoseconds since the first call:\n  client " in found.account


def test_no_update_is_lost_under_a_lock(tmp_path: Path) -> None:
    assert examined(maps.LosesNoUpdates, tmp_path, ops=KEYED).verdict is Verdict.SAMPLED


def test_what_is_no_exception_does_not_vanish_with_its_thread(tmp_path: Path) -> None:
    found = failed(maps.Leaves, tmp_path, Fault.EXCEPTION)
    assert re.fullmatch(r"client \d: m\[\d+\] = \d+ raised SystemExit: 1", found.summary)
    assert "maps_for_threads.py" in found.account
    assert "recorder.py" not in found.account
    raised = [op for op in history_of(found, tmp_path).operations if op.error]
    assert {op.error for op in raised} == {"SystemExit"}


def test_an_impossible_answer_is_found(tmp_path: Path) -> None:
    found = failed(maps.AnswersNonsense, tmp_path, Fault.ANSWER)
    assert found.summary.endswith(
        ("range answers a list of [key, value] pairs", "len answers a number of keys, at least 0")
    )
    assert "ImpossibleAnswer" in {op.error for op in history_of(found, tmp_path).operations}


def test_a_broken_invariant_is_found(tmp_path: Path) -> None:
    found = failed(maps.Counts, tmp_path, Fault.INVARIANT)
    assert re.fullmatch(r"check_invariants: \d+ counted of \d+ stores", found.summary)


def test_memory_is_bounded(tmp_path: Path) -> None:
    found = failed(maps.Eats, tmp_path, Fault.MEMORY, megabytes=150)
    assert re.fullmatch(r"\d+ MB in memory; the limit is 150 MB", found.summary)
    assert any(op.pending for op in history_of(found, tmp_path).operations)


@pytest.mark.parametrize("target", ["builtins:dict", "collections:OrderedDict"])
def test_there_is_no_alarm_for_what_is_written_in_c(target: str, tmp_path: Path) -> None:
    findings = examined(Source.named(target), tmp_path, budget=0.5)
    assert findings.verdict is Verdict.SAMPLED, findings.evidence().counterexample
    assert findings.description is not None
    assert Op.RANGE in findings.description.forms


def test_keys_that_yield_show_what_c_does_between_two_comparisons(tmp_path: Path) -> None:
    """CPython's OrderedDict in C looks a key up twice: it raises KeyError, SystemError, or crashes."""
    findings = examined(Source.named("collections:OrderedDict"), tmp_path, budget=LOOKING, yielding_keys=True)
    assert findings.verdict is Verdict.FAILED
    assert "; keys that yield; " in findings.scope


def test_keys_that_yield_do_no_harm_behind_a_lock(tmp_path: Path) -> None:
    findings = examined(maps.Ordered, tmp_path, yielding_keys=True)
    assert findings.verdict is Verdict.SAMPLED, findings.evidence().counterexample


def test_a_slow_operation_is_no_hang(tmp_path: Path) -> None:
    findings = examined(maps.Slow, tmp_path, clients=2, operations=2)
    assert findings.verdict is Verdict.SAMPLED, findings.evidence().counterexample


class Here(dict):  # type: ignore[type-arg]
    """In a module that no import finds."""


@pytest.mark.parametrize("made", [maps.UsesThreads, maps.KeepsNumbers, maps.TextKeys, Here])
def test_unusual_maps_are_driven(made: Any, tmp_path: Path) -> None:
    findings = examined(made, tmp_path)
    assert findings.verdict is Verdict.SAMPLED, findings.evidence().counterexample
    assert findings.description is not None
    assert findings.description.text_keys == (made is maps.TextKeys)


def test_a_call_that_hangs_without_any_other_thread_is_found(tmp_path: Path) -> None:
    found = failed(maps.HangsAlone, tmp_path, Fault.HANG)
    assert found.account.startswith(
        "HANG: nothing began or ended for 0.7 s while one thread called each operation once\n"
    )
    assert [str(op) for op in history_of(found, tmp_path).operations] == ["len() pending"]


def test_a_crash_before_any_call_has_no_history(tmp_path: Path) -> None:
    found = failed(maps.AbortsWhenMade, tmp_path, Fault.CRASH)
    assert found.history is None
    assert "no operation was running" in found.account


def test_a_map_that_cannot_be_made_again_is_found(tmp_path: Path) -> None:
    found = failed(maps.MadeThreeTimesOnly, tmp_path, Fault.EXCEPTION)
    assert found.summary == "making one raised OSError: no disk"


def test_a_process_that_was_killed_says_nothing_of_the_map(tmp_path: Path) -> None:
    findings = examined(maps.KilledFromOutside, tmp_path, budget=LOOKING)
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert findings.scope.startswith("the process was killed from outside by SIGKILL")


def test_the_scope_says_what_was_done(tmp_path: Path) -> None:
    findings = examined(maps.of_text, tmp_path, clients=3, operations=20, atomic=(Op.LEN,))
    evidence = findings.evidence()
    assert (evidence.name, evidence.kind) == ("of_text", Kind.TEST)
    assert re.fullmatch(
        r"[\d,]+ rounds? of 3 real threads; [\d,]+ operations; CPython 3\.\d+\.\w+ with(out)? a GIL.*; "
        r"yields between operations and inside them; operations: load, .*; "
        r"contracts: range weak, clear weak, len atomic.*",
        evidence.scope,
    ), evidence.scope


@pytest.mark.parametrize(
    ("made", "options", "says"),
    [
        (maps.Unmakeable, {}, "Unmakeable: making one raised OSError: no disk"),
        (maps.TextKeys, {"ops": (Op.SWAP,)}, "TextKeys does not offer swap; it offers load, "),
    ],
)
def test_what_is_no_map_is_refused_in_a_line(
    made: Any, options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsuitableTarget, match=says) as raised:
        examined(made, tmp_path, **options)
    assert "\n" not in str(raised.value)


def test_large_bounds_are_as_good_as_any(tmp_path: Path) -> None:
    failed(maps.Leaves, tmp_path, Fault.EXCEPTION, budget=float("inf"), seed=10**30, megabytes=10.0**9)


def test_a_history_is_to_be_judged_by_the_claims_that_it_was_judged_by(tmp_path: Path) -> None:
    found = failed(maps.Claiming, tmp_path, Fault.EXCEPTION).account
    assert re.search(r"history: mapproof history \S+ --atomic (range,clear|clear,range)$", found), found


@pytest.mark.parametrize("options", [{"clients": 0}, {"operations": 0}, {"budget": 0}])
def test_bounds_must_make_sense(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be"):
        examined(dict, tmp_path, **options)


def test_an_error_of_the_kit_is_none_of_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "nowhere"))
    with pytest.raises(KitFailed, match="before it began"):
        examined(dict, tmp_path)


def test_the_silence_follows_the_budget() -> None:
    assert [silence_for(budget) for budget in (0.1, 10, 1000)] == [2.0, 5.0, 10.0]


def test_a_history_that_cannot_be_kept_where_it_should_is_kept_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a_file").write_text("")
    findings = examined(maps.Leaves, tmp_path / "a_file" / "below", budget=LOOKING)
    assert findings.counterexample is not None
    kept = findings.counterexample.history
    assert kept is not None
    assert check(History.read(kept), Claims()) is not None
    kept.unlink()
