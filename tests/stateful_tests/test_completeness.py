"""Is the exploration complete? Every program of the corpus: the outcomes and the classes that DPOR runs are those of
brute force, no more and no less; and each way to get DPOR wrong misses something of some program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import corpus_primitives
import corpus_python
import corpus_reflection
import corpus_weak
import pytest
from brute_force import Everything, Written
from corpus import DEADLOCK, Program
from exploring import UNBOUNDED, explore

from mapproof.stateful_tests.explorer import dependence, dpor
from mapproof.stateful_tests.explorer.dependence import Footprint, Footprints, Note
from mapproof.stateful_tests.explorer.dpor import Dpor
from mapproof.stateful_tests.explorer.endings import Ending, Outcome
from mapproof.stateful_tests.explorer.instructions import names_in
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.strategy import Follower

PROGRAMS = [
    *corpus_python.program.programs,
    *corpus_reflection.program.programs,
    *corpus_weak.program.programs,
    *corpus_primitives.program.programs,
]
BY_NAME = {program.name: program for program in PROGRAMS}
SMALL = 300
"""So many schedules are run once more by the bounded search."""


@dataclass
class Seen:
    """What came out of one exploration: outcomes by class, and how many executions there were of each class."""

    outcomes: dict[Any, set[Any]] = field(default_factory=dict)
    runs: dict[Any, int] = field(default_factory=dict)

    @property
    def all_outcomes(self) -> set[Any]:
        return set().union(*self.outcomes.values())


def outcome_of(ending: Ending, outcome: Any) -> Any:
    return (DEADLOCK, outcome) if ending.outcome is Outcome.DEADLOCK else outcome


def seen(program: Program, strategy: Follower) -> Seen:
    """Run the strategy to its end."""
    found = Seen()
    written = Written(strategy, program.files)

    def watched() -> Any:
        tasks, outcome = program.make()
        return tasks, lambda: (written.normal_form(), outcome())

    for ending, (form, outcome) in explore(watched, written, files=sorted(program.files)):
        if ending.outcome is not Outcome.PRUNED:
            assert not ending.given_way
            assert not ending.timeouts
            found.outcomes.setdefault(form, set()).add(outcome_of(ending, outcome))
            found.runs[form] = found.runs.get(form, 0) + 1
    return found


def test_the_corpus_is_what_it_says() -> None:
    assert len(BY_NAME) == len(PROGRAMS) >= 80
    assert sum(program.outcomes is None for program in PROGRAMS) >= 70


@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.outcomes is None], ids=lambda p: p.name)
def test_every_class_is_run_exactly_once(program: Program) -> None:
    everything, search = seen(program, Everything()), seen(program, Dpor(program.files))
    assert all(len(outcomes) == 1 for outcomes in everything.outcomes.values())
    assert search.outcomes == everything.outcomes
    assert set(search.runs.values()) == {1}
    if sum(everything.runs.values()) <= SMALL:
        bounded = explore(program.make, PreemptionBound(UNBOUNDED), files=sorted(program.files))
        assert {outcome_of(*found) for found in bounded} == everything.all_outcomes


@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.outcomes is not None], ids=lambda p: p.name)
def test_every_outcome_is_found_where_brute_force_takes_too_long(program: Program) -> None:
    search = seen(program, Dpor(program.files))
    assert search.all_outcomes == program.outcomes
    assert set(search.runs.values()) == {1}


FACTS = {
    "not_in": 3,
    "in_by_a_variable": 3,
    "get_is_none": 3,
    "length_is_zero": 3,
    "attribute_is_none": 3,
    "append_once": 2,
    "with_a_lock_once_each": 2,
    "with_a_lock_twice_each": 6,
}


@pytest.mark.parametrize(("name", "possible"), FACTS.items())
def test_other_explorers_were_counted_on_these(name: str, possible: int) -> None:
    assert len(seen(BY_NAME[name], Dpor(BY_NAME[name].files)).all_outcomes) == possible


CLASSES = {
    "lost_update": 4,
    "three_lost_updates": 328,
    "twice_each": 6,
    "key_lost_between_two_resizes": 2_578,
}


@pytest.mark.parametrize(("name", "classes"), CLASSES.items())
def test_classes_are_as_many_as_were_counted_elsewhere(name: str, classes: int) -> None:
    search = Dpor()
    explore(BY_NAME[name].make, search)
    assert search.complete
    assert search.runs == classes


# -- each mistake is caught


class NeverWakes(Dpor):
    def _still_asleep(self, before: Any) -> dict[int, Footprint]:
        return {t: f for t, f in (before.sleeping | before.explored).items() if t != before.chosen}


class NeverSleeps(Dpor):
    def _still_asleep(self, before: Any) -> dict[int, Footprint]:
        return {}


class ForgetsWhoWaits(Dpor):
    def _look_at_waits(self, enabled: tuple[int, ...]) -> None:
        pass


class ForgetsWhoWaitsWherePruned(Dpor):
    def _look_at_waits(self, enabled: tuple[int, ...]) -> None:
        if not enabled:
            super()._look_at_waits(enabled)


def misses(program: Program, make: Callable[[frozenset[str]], Dpor] = Dpor) -> bool:
    everything, search = seen(program, Everything()), seen(program, make(program.files))
    return not everything.all_outcomes <= search.all_outcomes


def repeats(program: Program, make: Callable[[frozenset[str]], Dpor]) -> bool:
    return max(seen(program, make(program.files)).runs.values()) > 1


@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        (NeverWakes, "lost_update"),
        (ForgetsWhoWaits, "blocked_by_a_failed_try"),
        (ForgetsWhoWaitsWherePruned, "lock_kept_while_another_reads"),
    ],
)
def test_a_search_that_forgets_something_misses_an_outcome(mutant: type[Dpor], name: str) -> None:
    assert misses(BY_NAME[name], mutant)
    assert not misses(BY_NAME[name])


def test_a_search_without_sleep_repeats_itself() -> None:
    assert repeats(BY_NAME["independent_reads_of_independent_writes"], NeverSleeps)


@pytest.mark.parametrize("name", ["who_was_first", "twice_each", "one_of_two_may_enter"])
def test_acquisitions_must_be_reversed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpor, "_is_reversible", lambda earlier, step: True)
    assert misses(BY_NAME[name])


def without(notes: Note) -> Callable[[Footprint, Footprint], bool]:
    def depend(one: Footprint, other: Footprint) -> bool:
        return dependence.depend(
            one._replace(notes=one.notes & ~notes), other._replace(notes=other.notes & ~notes)
        )

    return depend


@pytest.mark.parametrize(
    ("notes", "name"),
    [
        (Note.LOOKED_IN, "truth_of_a_dict"),
        (Note.LOOKED_IN, "concatenation_in_passing"),
        (Note.LOOKED_IN, "formatting_in_passing"),
        (Note.LOOKED_UP, "method_looked_up_in_passing"),
    ],
)
def test_what_is_read_in_passing_counts(notes: Note, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpor, "depend", without(notes))
    assert misses(BY_NAME[name])


def test_membership_is_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Footprints._said

    def is_no_read(self: Footprints, thread: int, doing: Any, frame: Any) -> Footprint:
        footprint = said(self, thread, doing, frame)
        is_in = type(doing) is tuple and hasattr(doing[0], "co_code") and _operation(*doing) == "CONTAINS_OP"
        return footprint._replace(place=None) if is_in else footprint

    monkeypatch.setattr(Footprints, "_said", is_no_read)
    assert all(misses(BY_NAME[name]) for name in ("not_in", "is_in", "pop_if_in", "remove_if_in_a_set"))


def _operation(code: Any, offset: int) -> str:
    import dis

    return next(found.opname for found in dis.get_instructions(code) if found.offset == offset)


def test_code_in_other_files_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Footprints, "noted", lambda self, note: None)
    assert misses(BY_NAME["a_property_elsewhere"])


def test_an_object_that_is_let_go_in_passing_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    program = BY_NAME["gone_in_passing"]
    names = names_in(program.files)
    assert names.sees_what_is_gone
    monkeypatch.setattr(
        dependence, "names_in", lambda files: names._replace(sees_what_is_gone=False, reached_otherwise=False)
    )
    assert misses(program)


def test_what_a_returned_frame_returns_to_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Footprints, "_goes_elsewhere", lambda self, thread, frame: False)
    assert misses(BY_NAME["sort_that_calls_back"])
