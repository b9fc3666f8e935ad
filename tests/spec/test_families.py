"""The deciders against brute force on random histories: the compiled one on 400,000, a tenth of what
`make oracle-15min` does, the others, which take thirty times as long, on 120,000 of them; and mutants.

The idea: a comparison is worth what it can see, so each of the mutants must make it disagree, in a process of its
own, and none of the controls.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import pytest
from compiled_oracle import executed
from families import FAMILIES, Family, compare, drawn, expected
from family_mutants import CONTROLS, MUTANTS, Mutant, hunt_number
from oracle import linearizable

from mapproof.spec.model import MapModel
from mapproof.spec.operations import KEYED, SIGNATURES

families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.mark.parametrize("seed", range(3))
@families
def test_the_deciders_agree_with_brute_force(family: Family, seed: int) -> None:
    tally = compare(family, seed, 10_000)
    assert isinstance(tally, Counter), tally


@families
def test_machine_code_agrees_with_it_on_more(family: Family) -> None:
    tally = compare(family, 10, 70_000, ["machine code"])
    assert isinstance(tally, Counter), tally


@families
def test_the_search_alone_agrees_with_brute_force(family: Family) -> None:
    tally = compare(family, 50, 20_000, ["search"])
    assert isinstance(tally, Counter), tally


@families
def test_the_histories_are_worth_comparing(family: Family) -> None:
    """Both verdicts are common, so is each operation, and what is unique, answered or on one key is as it should be."""
    batch = drawn(family, 99, 2_000)
    assert 0.15 < 1 - expected(batch).mean() < 0.6
    assert {int(code) for code in batch.op} == set(family.operations)
    histories = list(batch.histories())
    assert {len(history) for history in histories} == set(range(2, 10))
    assert 0.02 < sum(len({op.key for op in history}) == 2 for history in histories) / 2_000 < 0.2
    stored = [[op.args[-1] for op in history if op.op in ("store", "swap")] for history in histories]
    assert any(len(values) != len(set(values)) for values in stored) == (family.repeated > 0)
    unanswered = sum(not op.completed for history in histories for op in history)
    assert (unanswered > 1_000) == (family.unanswered > 0)


@families
def test_the_compiled_brute_force_against_the_one_on_the_model(family: Family) -> None:
    batch = drawn(family, 100, 5_000)
    for history, verdict in zip(batch.histories(), expected(batch), strict=True):
        assert linearizable(history) == bool(verdict), history


def test_a_history_spoiled_by_nothing_is_linearizable() -> None:
    """The simulation and the brute force share `executed`: here it is held against the model by itself."""
    model = MapModel()
    for code, op in enumerate(KEYED):
        for state in (-1, 0, 1):
            before = model.initial if state < 0 else model.invoke(model.initial, KEYED[1], "k", (state,))[0]
            after, answer = model.invoke(before, op, "k", (0, 2)[: len(SIGNATURES[op].arguments)])
            left, value, flag = executed(code, 0, 2, state)
            assert [pair[1] for pair in after.values()] == ([] if left < 0 else [left])
            match answer:
                case None:
                    assert (value, flag) == (-1, -1)
                case bool():
                    assert (value, flag) == (-1, int(answer))
                case found, told:
                    assert (value, flag) == (-1 if found is None else found, int(told))
                case _:
                    raise AssertionError(answer)


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["numba"])  # which takes longer to import than most mutants live


def hunted(number: int) -> str | None:
    """What the comparison says of a mutant, in a process of its own that has imported nothing of ours before."""
    with ProcessPoolExecutor(1, FORKS) as process:
        return process.submit(hunt_number, number).result()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.breaks)
def test_the_comparison_catches_a_mutant(mutant: Mutant) -> None:
    found = hunted(MUTANTS.index(mutant))
    assert found is not None and "brute force" in found


@pytest.mark.parametrize("control", range(len(CONTROLS)), ids=lambda number: CONTROLS[number].decider)
def test_the_comparison_finds_nothing_where_nothing_is_wrong(control: int) -> None:
    assert hunted(~control) is None
