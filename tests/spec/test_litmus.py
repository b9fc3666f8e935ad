"""Litmus tests: what little programs may answer, exactly; and the primitives themselves, which answer no more.

The idea: the model says which outcomes are allowed, the explorer which occur, and the detector whether a schedule
has a data race. Three sentences tie them together: what occurs is allowed; without a race all that is allowed
occurs (data-race-free programs are sequentially consistent); and where more is allowed, a race is found.
"""

from __future__ import annotations

import inspect
import linecache
import re
import runpy
import sys
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from litmus_programs import LITMUS, TORN, WHOLE, drawn
from litmus_runs import disagreement, explored

from mapproof.spec import memory_model
from mapproof.spec.accesses import Access
from mapproof.spec.happens_before import GO, Label
from mapproof.spec.memory_model import (
    Instruction,
    Life,
    Outcome,
    Program,
    lock,
    outcomes,
    rlock,
    runlock,
    start,
    unlock,
)


@pytest.mark.parametrize("name", LITMUS)
def test_what_is_allowed(name: str) -> None:
    assert outcomes(LITMUS[name].program) == LITMUS[name].allowed


# -- wrong labels

SWAPPED = {**GO, Access.LOCK: Label.RELEASE}
"""Lock a release, RLock an acquire, Unlock a release: a table that is found in writing about Go."""


def test_a_lock_that_only_releases_lets_a_writer_read_what_is_stale() -> None:
    for name in ("writer to writer of an RWMutex", "reader to writer of an RWMutex", "a mutex publishes"):
        assert outcomes(LITMUS[name].program, SWAPPED) == TORN, name
        assert outcomes(LITMUS[name].program, GO) == WHOLE, name
    reading = LITMUS["writer to reader of an RWMutex"].program
    assert outcomes(reading, SWAPPED) == WHOLE


@pytest.mark.parametrize(
    ("access", "name"),
    [
        (Access.LOCK, "a mutex publishes"),
        (Access.UNLOCK, "a mutex publishes"),
        (Access.TRY_LOCK, "a successful try of a mutex publishes"),
        (Access.R_LOCK, "writer to reader of an RWMutex"),
        (Access.R_UNLOCK, "reader to writer of an RWMutex"),
        (Access.ACQUIRE, "a semaphore publishes"),
        (Access.RELEASE, "a semaphore publishes"),
        (Access.LOAD, "message passing, atomic flag"),
        (Access.STORE, "message passing, atomic flag"),
        (Access.SWAP, "a swap publishes"),
        (Access.ADD, "an add publishes"),
        (Access.COMPARE_AND_SWAP, "a compare-and-swap publishes"),
    ],
)
def test_each_label_is_needed(access: Access, name: str) -> None:
    program = LITMUS[name].program
    assert outcomes(program, {**GO, access: Label.NOTHING}) > outcomes(program)


# -- the primitives themselves


@pytest.mark.parametrize("name", LITMUS)
def test_the_primitives_answer_what_is_allowed(name: str) -> None:
    litmus = LITMUS[name]
    occurs = explored(litmus.program, 2)
    assert disagreement(litmus.program, occurs) == ""
    assert bool(occurs.racy) is litmus.races


# -- random programs

RANDOM_PROGRAMS = 60


def test_random_programs() -> None:
    free = weaker = 0
    for seed in range(RANDOM_PROGRAMS):
        program = drawn(Random(seed))
        occurs = explored(program, bound=4 - len(program))
        assert disagreement(program, occurs) == "", program
        free += not occurs.racy
        weaker += bool(occurs.racy and outcomes(program) - occurs.outcomes)
    assert free > RANDOM_PROGRAMS / 5
    assert weaker > RANDOM_PROGRAMS / 20


# -- slips of the model


MUTANTS = {
    "a read returns the last write only": (
        "sorted({write.value for write in self._visible(thread, target)})",
        "[[*self._visible(thread, target)][-1].value]",
    ),
    "a read may return what is overwritten": (" for later in writes[place + 1 :]", " for later in ()"),
    "what is overwritten by anybody is gone": (
        "_knows(later.clock, write) and self.order",
        "self.order",
    ),
    "the beginning is never overwritten": (
        "return write is _INITIAL or (",
        "return write is not _INITIAL and (",
    ),
    "a failed compare-and-swap counts as a change": (
        "(word, False, False)\n        case Access.LOCK",
        "(word, False, True)\n        case Access.LOCK",
    ),
    "a failed try counts as a lock": (
        "(word, False, False)\n        case Access.UNLOCK",
        "(word, False, True)\n        case Access.UNLOCK",
    ),
    "readers keep each other out": ("return word >= 0", "return word == 0"),
    "writers do not wait for readers": ("return word == 0", "return word >= 0"),
    "a start orders nothing": ("after.order.start(thread, other)", "pass"),
    "a join does not wait": ("return self.finished(target)", "return True"),
    "states are one if they look alike": (", self.order.state())", ")"),
    "a branch shares its clocks with the others": ("self.order.copy(),", "self.order,"),
    "what waits for ever is left out": (" if finished else STUCK", ""),
}


def changed(before: str, after: str) -> ModuleType:
    """The model from its own source with one place changed."""
    source = inspect.getsource(memory_model)
    assert source.count(before) == 1, f"found {source.count(before)} times, not once: {before!r}"
    module = ModuleType("mapproof.spec.memory_model__changed")
    sys.modules[module.__name__] = module  # where dataclasses look it up
    exec(compile(source.replace(before, after), "changed.py", "exec"), module.__dict__)  # noqa: S102 - ours
    module.__dict__["Life"] = Life  # the programs are made of ours
    return module


def fails(module: Any) -> bool:
    """Whether some litmus test has not the outcomes that it must have."""
    try:
        return any(module.outcomes(litmus.program) != litmus.allowed for litmus in LITMUS.values())
    except ValueError:  # it makes no sense of a program that has some
        return True


@pytest.mark.parametrize("name", MUTANTS)
def test_each_slip_is_caught(name: str) -> None:
    assert fails(changed(*MUTANTS[name]))


def test_the_unchanged_source_is_not() -> None:
    assert not fails(changed("STUCK: Final", "STUCK: Final"))


# -- programs that make no sense


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (((unlock("mu"),),), "unlock of mu, which is not locked so"),
        (((rlock("rw"), unlock("rw")),), "unlock of rw, which is not locked so"),
        (((lock("rw"), runlock("rw")),), "runlock of rw, which is not locked so"),
        (((start(2), start(2)), ()), "thread 2 is started twice"),
    ],
)
def test_a_program_that_makes_no_sense_is_refused(program: Program, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        outcomes(program)


# -- the manual

SHOWN = (
    "message passing, plain flag",
    "message passing, atomic flag",
    "store buffering, plain",
    "store buffering, atomic",
    "coherence, plain",
    "coherence, atomic",
    "a mutex publishes",
    "two mutexes do not",
    "a failed try of a mutex gives nothing",
    "writer to reader of an RWMutex",
    "reader to writer of an RWMutex",
    "reader to reader of an RWMutex",
    "a semaphore publishes",
    "a compare-and-swap publishes",
    "a failed compare-and-swap releases nothing",
    "a failed compare-and-swap observes",
    "a store hides the store before it",
    "a start publishes",
    "what follows a start is not published",
    "a join publishes",
)


def row(name: str) -> str:
    """A line of the table in docs/happens-before.md."""
    program = LITMUS[name].program
    occurs, allowed = explored(program, 2), outcomes(program)
    threads = " ∥ ".join("`" + "; ".join(map(said, thread)) + "`" for thread in program)
    race = "yes" if occurs.racy else "no"
    return f"| {name} | {threads} | {digits(allowed)} | {digits(allowed - occurs.outcomes)} | {race} |"


def said(one: Instruction) -> str:
    condition = "".join(f"if {name.strip('_')}={int(held)}: " for name, held in one.when)
    values = {Access.WRITE: f"={one.value}", Access.STORE: f"={one.value}", Access.SWAP: f"={one.value}"}
    change = f"={one.old}→{one.value}" if one.access is Access.COMPARE_AND_SWAP else ""
    kind = "cas" if one.access is Access.COMPARE_AND_SWAP else str(one.access).replace("_", "")
    answer = f" ({one.into.strip('_')})" if one.into and one.into != one.target else ""
    return f"{condition}{kind} {one.target}{values.get(one.access, change)}{answer}"  # type: ignore[arg-type]


def digits(found: frozenset[Outcome]) -> str:
    shown = ("".join("-" if held is None else str(int(held)) for held in one) for one in found)
    return " ".join(sorted(shown)) or "none"


def test_the_table_in_the_manual_is_what_comes_out() -> None:
    page = (Path(__file__).parents[2] / "docs" / "happens-before.md").read_text()
    lines = [line for line in page.splitlines() if line.count("|") == 6]
    assert lines[2:] == [row(name) for name in SHOWN]


def test_the_programs_in_the_manual_print_what_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "happens-before.md").read_text()
    programs = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", page, re.DOTALL)
    assert len(programs) == 2
    for program, printed in programs:
        (tmp_path / "hits.py").write_text(program)
        linecache.checkcache()
        runpy.run_path(str(tmp_path / "hits.py"))
        assert capsys.readouterr().out == printed
