"""What a proof rests on, and what a formula reads like."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gate import ANYWAY, CHAPTER, GATE, Guest, gate

from mapproof.proofs.language import (
    Bool,
    Enumeration,
    Field,
    Globals,
    If,
    after,
    all_of,
    any_of,
    forall,
    implies,
    invariant,
    one_of,
)
from mapproof.proofs.notation import formula_lines, notation
from mapproof.proofs.solving.cores import core, needed
from mapproof.proofs.solving.obligations import prove
from mapproof.proofs.solving.queries import Obligation, Queries
from mapproof.proofs.systems import chapters
from mapproof.proofs.table.checks import Options
from mapproof.proofs.table.explaining import explain
from mapproof.spec.evidence import Verdict


@invariant("entries are counted")
def idle() -> Bool:
    """True, and of no use."""
    return any_of(gate.entries <= 0, gate.entries > 0)


def test_a_core_proves_alone_and_has_nothing_to_spare():
    queries = Queries(GATE)
    (query,) = queries.of("enter", {"exclusion"})
    assert core(query, timeout=20) == ("shut_behind",)
    (query,) = queries.of("leave", {"shut_behind"})
    assert core(query, timeout=20) == ("exclusion",)
    (query,) = queries.of("initial", {"shut_behind"})
    assert core(query, timeout=20) == ()


def test_what_is_not_proved_has_no_core():
    (query,) = Queries(ANYWAY.system).of("enter", {"exclusion"})
    assert core(query, timeout=20) is None
    (query,) = Queries(GATE).of("enter", {"exclusion"})
    assert core(query, timeout=0.0) is None


def test_an_invariant_is_needed_by_a_mutant_or_by_another_obligation():
    whole = GATE.with_invariants("with a useless one", [*GATE.invariants.values(), idle])
    assert prove(whole, timeout=20).verdict is Verdict.PROVED
    found = {need.invariant: need for need in needed(whole, CHAPTER.mutants, timeout=20)}
    assert (found["exclusion"].mutants, found["shut_behind"].mutants) == (("enter anyway",), ())
    assert found["exclusion"].obligation == Obligation("leave", "shut_behind")
    assert found["shut_behind"].obligation == Obligation("any state", "open_is_empty")
    assert not found["idle"].needed


def test_without_time_nothing_is_needed():
    assert not any(need.obligation for need in needed(GATE, (), timeout=0.0))


class Kind(Enumeration):
    ROUND: Kind
    SQUARE: Kind


class Shape(Globals, prefix="shape"):
    kind = Field(Kind)
    ready = Field(Bool)


shape = Shape()


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (lambda: gate.entries + 1 <= gate.entries * 2, "gate.entries + 1 <= gate.entries * 2"),
        (lambda: gate.entries > 1, "1 < gate.entries"),
        (lambda: ~(shape.kind == Kind.ROUND), "shape.kind != ROUND"),
        (lambda: ~all_of(shape.ready, gate.shut), "not (shape.ready and gate.shut)"),
        (lambda: one_of(shape.kind, Kind.ROUND, Kind.SQUARE), "shape.kind in (ROUND, SQUARE)"),
        (lambda: any_of(shape.ready, all_of(gate.shut, ~shape.ready)), "shape.ready or gate.shut and not shape.ready"),
        (lambda: implies(implies(gate.shut, shape.ready), gate.shut), "(gate.shut implies shape.ready) implies gate.shut"),
        (lambda: If(gate.shut, gate.entries, 0) == 0, "(gate.entries if gate.shut else 0) == 0"),
        (lambda: gate.entries <= after(gate.entries), "gate.entries <= after(gate.entries)"),
        (lambda: any_of(), "false"),
        (
            lambda: forall(Guest, lambda g: implies(g.inside, forall(Guest, lambda g: ~g.inside))),
            "forall g: Guest. g.inside implies (forall g': Guest. not g'.inside)",
        ),
    ],
)  # fmt: skip
def test_a_formula_reads_as_the_code_would_write_it(term, text):
    assert notation(term().node) == text


def test_a_conjunction_has_a_line_for_each_part():
    parts = all_of(gate.shut, implies(shape.ready, gate.shut, gate.entries == 0))
    assert formula_lines(parts.node) == (
        "gate.shut",
        "shape.ready implies gate.shut",
        "shape.ready implies gate.entries == 0",
    )


@pytest.fixture
def only_the_gate(monkeypatch):
    monkeypatch.setattr("mapproof.proofs.systems.chapters", lambda: (CHAPTER,))


@pytest.mark.usefixtures("only_the_gate")
@pytest.mark.parametrize("name", ["gate: at most one is inside", "exclusion", "at most one is inside"])
def test_a_statement_is_explained(name):
    found = explain(name, Options(), timeout=20)
    assert found.verdict is Verdict.PROVED
    lines = found.text.splitlines()
    assert lines[:4] == [
        "gate: at most one is inside    (exclusion)",
        "  Two who are inside are the same.",
        "",
        "    forall g: Guest, h: Guest. g.inside and h.inside implies g == h",
    ]
    assert any(
        line.startswith("  PROVED") and line.endswith("enter/exclusion    uses shut_behind") for line in lines
    )


@pytest.mark.usefixtures("only_the_gate")
def test_an_obligation_and_an_action_are_explained():
    one = explain("gate: enter/exclusion", Options(), timeout=20)
    assert "  enter(g: Guest)    through the gate, which shuts\n    when not gate.shut\n" in one.text
    assert one.text.count("  PROVED") == 1
    every = explain("leave", Options(), timeout=20)
    assert every.text.count("  PROVED") == 3
    assert explain("no such thing", Options(), timeout=20) is None
    assert explain("leave/no such thing", Options(), timeout=20) is None


@pytest.mark.usefixtures("only_the_gate")
def test_a_mutant_is_explained():
    found = explain("enter anyway", Options(), timeout=20)
    assert found.verdict is Verdict.EXHAUSTED
    for part in (
        "in place of\n    enter(g: Guest)    through the gate, which shuts\n      when not gate.shut\n",
        "stands\n    enter(g: Guest)    over the gate\n",
        "REFUTED  enter/exclusion    at most one is inside",
        "breaks  at most one is inside",
        "a reachable bug: a user gets a wrong answer",
    ):
        assert part in found.text
    assert (
        "every obligation of the replaced actions holds"
        in explain("leave carefully", Options(), timeout=20).text
    )


def test_a_claim_that_is_false_is_explained_with_its_run():
    found = explain("writers that mutated at once are accused, it is said", Options(), timeout=60)
    assert found is not None and found.verdict is Verdict.EXHAUSTED
    assert "shortest run that breaks it, 10 steps" in found.text


def test_a_refuted_statement_is_explained_with_its_state(monkeypatch):
    monkeypatch.setattr(
        "mapproof.proofs.systems.chapters", lambda: (replace(CHAPTER, system=ANYWAY.system, mutants=()),)
    )
    found = explain("exclusion", Options(), timeout=20)
    assert found.verdict is Verdict.REFUTED
    assert "step    enter(g=" in found.text
    assert "shortest run that breaks it" in found.text


def test_every_formula_of_every_chapter_can_be_written():
    for chapter in chapters():
        for made in chapter.system.invariants.values():
            assert formula_lines(made.formula)
