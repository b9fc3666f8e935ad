"""Machines whose rules run at once: wrong objects are found and shrunk, right ones are left alone, all of it repeats."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from typing import Any

import hypothesis.core
import interleaved_objects as objects
import pytest
from hypothesis import HealthCheck, Phase, reproduce_failure, seed, settings
from hypothesis.database import InMemoryExampleDatabase
from hypothesis.stateful import rule
from interleaved_machines import MACHINES, FilesMachine, counter_machine

from mapproof.stateful_tests import interleaved
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget
from mapproof.stateful_tests.interleaved import (
    InterleavedStateMachine,
    MachineIsWrong,
    observer,
    run_interleaved,
)
from mapproof.stateful_tests.interleaved_programs import Program

FEW = settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
UNSHRUNK = settings(FEW, max_examples=200, phases=[Phase.generate], derandomize=False)

Tried = list[tuple[str, bool]]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tried]:
    """The programs that Hypothesis had run, and whether each failed."""
    seen: Tried = []
    fails = interleaved._Test._fails

    def noted(self: Any, program: Program) -> bool:
        failed = fails(self, program)
        seen.append((repr(program), failed))
        return failed

    monkeypatch.setattr(interleaved._Test, "_fails", noted)
    yield seen


LOST_INCREMENT = """\
CounterMachine is wrong: not linearizable

thread 1    │ thread 2
────────────┼────────────
increment() │ increment()
after:
  value()
schedule: """


@pytest.mark.interpreter
def test_a_lost_increment_shrinks_to_one_increment_of_each_of_two_threads() -> None:
    with pytest.raises(MachineIsWrong) as wrong:
        run_interleaved(counter_machine(objects.Counter), settings=FEW)
    assert str(wrong.value).startswith(LOST_INCREMENT)
    assert "client 0's value answers 2, but here it answered 1" in str(wrong.value)


@pytest.mark.parametrize("number", range(3))
def test_it_shrinks_to_the_same_program_from_any_seed(number: int) -> None:
    with pytest.raises(MachineIsWrong) as wrong:
        run_interleaved(
            seed(number)(counter_machine(objects.Counter)), settings=settings(FEW, derandomize=False)
        )
    assert str(wrong.value).startswith(LOST_INCREMENT)


@pytest.mark.interpreter
@pytest.mark.parametrize("name", MACHINES)
def test_what_is_wrong_is_found(name: str) -> None:
    machine, wrong, _ = MACHINES[name]
    kinds = {"queue": "deadlock", "bank": "broken invariant", "cache": "(not linearizable|exception)"}
    kind = kinds.get(name, "not linearizable")
    with pytest.raises(MachineIsWrong, match=f" is wrong: {kind}"):
        run_interleaved(seed(3)(machine(wrong)), settings=UNSHRUNK)


@pytest.mark.interpreter
@pytest.mark.parametrize("name", MACHINES)
def test_what_is_right_is_left_alone(name: str) -> None:
    machine, _, right = MACHINES[name]
    run_interleaved(machine(right), settings=FEW)


def test_values_of_bundles_are_used_by_those_that_know_them() -> None:
    """A thread uses what was made before and what it made, and nobody uses what another consumes."""
    run_interleaved(FilesMachine, settings=FEW)


def test_the_example_database_finds_a_failure_at_once(tried: Tried) -> None:
    machine = counter_machine(objects.Counter)
    kept = settings(FEW, derandomize=False, database=InMemoryExampleDatabase())
    with pytest.raises(MachineIsWrong) as first:
        run_interleaved(machine, settings=kept)
    tried.clear()
    with pytest.raises(MachineIsWrong) as again:
        run_interleaved(machine, settings=kept)
    assert tried[0][1]
    assert str(again.value) == str(first.value)


def test_another_machine_has_examples_of_its_own() -> None:
    class Another(counter_machine(objects.Counter)):  # type: ignore[misc]
        pass

    keys = []
    for machine in (counter_machine(objects.Counter), Another):
        database = InMemoryExampleDatabase()
        with pytest.raises(MachineIsWrong):
            run_interleaved(machine, settings=settings(FEW, database=database, derandomize=False))
        keys.append({key for key in database.data if b"hypothesis-keys" not in key})
    assert keys[0] and keys[1] and not keys[0] & keys[1]


@pytest.mark.parametrize("globally", [False, True])
def test_a_seed_is_followed(tried: Tried, monkeypatch: pytest.MonkeyPatch, globally: bool) -> None:
    def drawn(number: int) -> Tried:
        machine = counter_machine(objects.LockedCounter)
        if globally:
            monkeypatch.setattr(hypothesis.core, "global_force_seed", number)  # as --hypothesis-seed does
        else:
            seed(number)(machine)
        tried.clear()
        run_interleaved(machine, settings=settings(FEW, max_examples=3, derandomize=False))
        return list(tried)

    first, other = drawn(1), drawn(2)
    assert drawn(1) == first
    assert other != first


def test_max_examples_and_derandomize_are_honoured(tried: Tried) -> None:
    machine = counter_machine(objects.LockedCounter)
    for _ in range(2):
        run_interleaved(machine, settings=settings(FEW, max_examples=4))
    assert tried[:4] == tried[4:]
    assert len(tried) == 8


def test_a_printed_blob_reproduces_the_failure(tried: Tried) -> None:
    machine = counter_machine(objects.Counter)
    with pytest.raises(MachineIsWrong) as wrong:
        run_interleaved(machine, settings=settings(FEW, print_blob=True))
    notes = "\n".join(wrong.value.__notes__)
    version, blob = notes.partition("@reproduce_failure(")[2].partition(")")[0].split(", ")
    tried.clear()
    again = reproduce_failure(version.strip("'"), eval(blob))(machine)
    with pytest.raises(MachineIsWrong, match="not linearizable"):
        run_interleaved(again, settings=settings(FEW, print_blob=True, derandomize=False))
    assert [failed for _, failed in tried] == [True]


def test_it_is_a_test_case_of_unittest() -> None:
    machine = settings(FEW, max_examples=5)(counter_machine(objects.Counter))
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(machine.TestCase).run(result)
    assert result.testsRun == 1
    assert "MachineIsWrong: CounterMachine is wrong" in result.failures[0][1]
    assert machine.TestCase().runTest.is_hypothesis_test


class MoodyMachine(InterleavedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.moody = objects.Moody()

    @rule()
    def ask(self) -> Any:
        return self.moody.ask()


class MoodyAssertion(MoodyMachine):
    specification = None

    @rule()
    def ask(self) -> None:
        assert self.moody.ask() < 0.9


class MoodyPrefix(MoodyAssertion):
    specification = None

    @observer()
    def finally_(self) -> None:
        assert self.moody.ask() < 0.7


@pytest.mark.parametrize("machine", [MoodyMachine, MoodyAssertion, MoodyPrefix])
def test_chance_in_the_object_is_named_and_no_failure_is_called_flaky(
    machine: type[InterleavedStateMachine],
) -> None:
    with pytest.raises(NondeterministicTarget, match="on more than its schedule"):
        for _ in range(5):
            run_interleaved(machine, settings=settings(FEW, max_examples=100, derandomize=False))
