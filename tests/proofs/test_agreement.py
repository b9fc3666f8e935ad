"""Z3 and compiled Python agree on random steps of every system; and wrong meanings in either are noticed.

`soak_agreement.py` compares more than 100,000 steps in the same way.
"""

import random
from dataclasses import replace

import pytest
from agreement import Agreement, domains_for, run
from sample_system import DOMAINS, SAMPLE

from mapproof.proofs.running import python_source
from mapproof.proofs.running.layout import Layout
from mapproof.proofs.running.python_source import Writer
from mapproof.proofs.solving import symbolic
from mapproof.proofs.systems import chapters
from mapproof.proofs.systems.sync_map.mutants import PROMOTION_KEEPS_DIRTY

TRANSITIONS = 250


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.system.name)
def test_the_systems_mean_the_same(chapter):
    agreement = Agreement(chapter.system, domains_for(chapter.system))
    found = run(agreement, seed=1, transitions=TRANSITIONS)
    assert not found.disagreements
    assert found.transitions == TRANSITIONS


@pytest.mark.parametrize("nodes", [python_source.UNROLLED_NODES, 0], ids=["written out", "in loops"])
def test_every_kind_of_node_means_the_same(nodes, monkeypatch):
    monkeypatch.setattr(python_source, "UNROLLED_NODES", nodes)
    found = run(Agreement(SAMPLE, DOMAINS), seed=2, transitions=1_500, truths_every=2)
    assert not found.disagreements
    assert found.happened == set(SAMPLE.actions)


def test_all_statements_are_seen_true_and_false():
    """So the comparison above compared something."""
    agreement, rng = Agreement(SAMPLE, DOMAINS), random.Random(4)
    machine, truths = agreement.machine, set()
    for _ in range(400):
        state, later = agreement.random_state(rng), agreement.random_state(rng)
        truths |= {(name, machine.holds(state, name)) for name in ("few", "has_item", "one_guest")}
        truths |= {("total_grows", machine.keeps(state, later, "total_grows"))}
        assert agreement.on_truths(state)
        assert agreement.on_properties(state, later)
    assert len(truths) == 8


def test_an_initial_state_means_the_same():
    agreement, rng = Agreement(SAMPLE, DOMAINS), random.Random(5)
    for _ in range(20):
        assert agreement.on_step(agreement.random_state(rng), SAMPLE.initial, [])[0]


# ------------------------------------------------------------------------------------------------ wrong meanings


def first_write_wins(patch):
    right = Writer.writes
    patch.setattr(Writer, "writes", lambda self, writes, scope: right(self, tuple(reversed(writes)), scope))


def guards_are_asked_after_the_writes(patch):
    right = Writer.step

    def step(self, action):
        after = right(self, replace(action, guards=()))
        asked = right(self, replace(action, writes=()))
        return lambda *given: after(*given) if asked(after(*given), *given[1:]) is not None else None

    patch.setattr(Writer, "step", step)


def values_are_taken_from_the_new_state(patch):
    right = Writer.writes
    patch.setattr(
        Writer, "writes", lambda self, writes, scope: right(replace(self, state="n"), writes, scope)
    )


def the_next_cell(patch):
    right = Writer.place

    def place(self, name, arguments, scope):
        count = self.layout.count(self.layout.functions[name])
        first = self.layout.offsets[name]
        return f"({first}+({right(self, name, arguments, scope)}-{first}+1)%{count})"

    patch.setattr(Writer, "place", place)


def arguments_in_the_other_order(patch):
    right = Layout.strides

    def strides(self, function):
        if len(function.arguments) < 2:
            return right(self, function)
        return 1, self.size(function.arguments[0])

    patch.setattr(Layout, "strides", strides)


def all_but_the_last(patch):
    right = Writer.choices
    patch.setattr(Writer, "choices", lambda self, variables, scope: right(self, variables, scope)[:-1])


def after_means_before(patch):
    right = Writer.expression

    def expression(self, node, scope):
        return right(replace(self, later=self.state) if self.later else self, node, scope)

    patch.setattr(Writer, "expression", expression)


def operator(name, meaning):
    def wrong(patch):
        patch.setitem(python_source._OPERATORS, name, meaning(dict(python_source._OPERATORS)))

    wrong.__name__ = f"wrong {name}"
    return wrong


def or_means_and(patch):
    patch.setattr(python_source, "_or", python_source._and)


def one_alternative_less(patch):
    right = Writer._alternatives
    patch.setattr(Writer, "_alternatives", lambda self, nodes, scope: right(self, nodes[:-1], scope))


WRONG = [
    first_write_wins,
    guards_are_asked_after_the_writes,
    values_are_taken_from_the_new_state,
    arguments_in_the_other_order,
    all_but_the_last,
    after_means_before,
    one_alternative_less,
    or_means_and,
    operator("implies", lambda right: lambda premise, then: right["or"](premise, right["not"](then))),
    operator("and", lambda right: right["or"]),
    operator("not", lambda right: lambda part: part),
    operator("if", lambda right: lambda condition, then, otherwise: right["if"](condition, otherwise, then)),
    operator("<", lambda right: right["<="]),
    operator("<=", lambda right: right["<"]),
    operator("+", lambda right: right["-"]),
    operator("-", lambda right: right["+"]),
    operator("*", lambda right: right["+"]),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_meaning_in_python_is_noticed(wrong, monkeypatch):
    right = Agreement(SAMPLE, DOMAINS)
    samples = [right.sample(random.Random(seed)) for seed in range(300)]
    wrong(monkeypatch)
    agreement = Agreement(SAMPLE, DOMAINS)
    assert any(disagreed(agreement, *sample) for sample in samples)


def disagreed(agreement, state, action, codes):
    agrees, step = agreement.on_step(state, action, codes)
    later = state if step is None else step.after
    return not (agrees and agreement.on_truths(state) and agreement.on_properties(state, later))


def test_a_cell_too_far_is_noticed(monkeypatch):
    """Off by one, within the cells of the function: a renaming of elements would go unnoticed, a fixed one does not."""
    the_next_cell(monkeypatch)
    assert run(Agreement(SAMPLE, DOMAINS), seed=3, transitions=100).disagreements


@pytest.mark.parametrize("name", ["==", "implies", "if", "<="])
def test_a_wrong_meaning_in_z3_is_noticed(name, monkeypatch):
    right = symbolic._OPERATORS[name]
    monkeypatch.setitem(
        symbolic._OPERATORS, name, lambda *parts: right(*reversed(parts)) if name != "if" else parts[2]
    )
    if name == "==":
        monkeypatch.setitem(symbolic._OPERATORS, name, lambda left, right: left != right)
    assert run(Agreement(SAMPLE, DOMAINS), seed=3, transitions=100).disagreements


def test_another_step_is_noticed():
    """The steps of a mutant are not those of its original."""
    mutant = PROMOTION_KEEPS_DIRTY
    domains = domains_for(mutant.system)
    right, wrong = Agreement(mutant.original, domains), Agreement(mutant.system, domains)
    right.machine = wrong.machine
    promote = mutant.original.actions["promote_dirty"]
    rng = random.Random(6)
    answers = [
        right.on_step(right.fitting(rng, right.random_state(rng), promote, [0]), promote, [0])
        for _ in range(20)
    ]
    assert any(not agrees for agrees, step in answers if step is not None)
