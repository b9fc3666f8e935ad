"""All states over a few elements: against an obviously right search, with and without symmetry, and when it ends."""

import itertools
import random
from collections import deque
from dataclasses import replace

import pytest
from agreement import Agreement
from sample_system import DOMAINS, SAMPLE, room

from mapproof.proofs.chapters import Bound
from mapproof.proofs.running import symmetry
from mapproof.proofs.running.concrete import Machine
from mapproof.proofs.running.exploration import bounded, explore, machine_within, rendered, replayed, walk
from mapproof.proofs.running.symmetry import Symmetry
from mapproof.proofs.systems import chapters
from mapproof.proofs.terms import ModelError
from mapproof.proofs.transition_system import invariant

INVENTORY = next(chapter for chapter in chapters() if chapter.system.name == "RWMutexInventory")
SMALL = Bound({"Item": 3, "Box": 2, "Person": 2}, {"paint": 1, "hold": 1, "fill": 2, "repaint": 1})


def without_claims(of):
    """The same steps, in which nothing is claimed."""
    return replace(of, actions={name: replace(a, claims=()) for name, a in of.actions.items()})


CALM = replace(without_claims(SAMPLE), name="calm", invariants={}, lemmas={}, step_properties={})


@pytest.fixture(scope="module")
def calm():
    """The states that the calm system reaches, found the obviously right way, and how many orbits they are."""
    machine = machine_within(CALM, SMALL)
    states, _ = plain_search(machine)
    return machine, states, orbits(machine, states)


def plain_search(machine):
    """An obviously right one: every action with all arguments, everything asked in every state.

    Returns the states, and how long the shortest run is to each statement broken.
    """
    system, first = machine.system, machine.initial()
    depth, waiting, broken = {first: 0}, deque([first]), {}
    while waiting:
        state = waiting.popleft()
        for action_ in system.actions.values():
            for arguments in machine.arguments(action_):
                step = machine.step(state, action_.name, *arguments)
                if step is None:
                    continue
                false = [*step.broken_claims]
                false += [p for p in system.step_properties if not machine.keeps(state, step.after, p)]
                false += [i for i in (*system.invariants, *system.lemmas) if not machine.holds(step.after, i)]
                for name in false:
                    broken.setdefault(name, depth[state] + 1)
                if step.after not in depth:
                    depth[step.after] = depth[state] + 1
                    waiting.append(step.after)
    return set(depth), broken


def renamings(system, domains):
    """Every renaming of elements that have no name of their own: dicts from sort and name to name."""
    ways = []
    for sort in system.sorts:
        free = [name for name in domains[sort.__name__] if name not in sort.named]
        ways.append(
            [dict(zip(((sort, n) for n in free), p, strict=True)) for p in itertools.permutations(free)]
        )
    return [dict(itertools.chain(*(d.items() for d in choice))) for choice in itertools.product(*ways)]


def renamed(machine, state, renaming):
    """The picture with every name replaced."""
    picture = machine.decode(state)
    made = {}
    for f in machine.system.functions:
        made[f.name] = {
            tuple(renaming.get((s, a), a) for s, a in zip(f.arguments, cell, strict=True)): renaming.get(
                (f.result, value), value
            )
            for cell, value in picture[f.name].items()
        }
    return machine.encode(made)


def orbits(machine, states):
    """How many classes of states there are that are renamings of one another."""
    ways = renamings(machine.system, machine.domains)
    left, count = set(states), 0
    while left:
        state = left.pop()
        left -= {renamed(machine, state, way) for way in ways}
        count += 1
    return count


# ------------------------------------------------------------------------------------------------ symmetry


def test_the_canonical_form_is_that_of_every_renaming():
    machine, rng = Machine(SAMPLE, DOMAINS), random.Random(1)
    canonical, agreement = Symmetry(machine), Agreement(SAMPLE, DOMAINS)
    ways = renamings(SAMPLE, DOMAINS)
    assert len(ways) == 24 == len(list(canonical.orders()))
    states = [agreement.random_state(rng, most=1) for _ in range(60)]
    states += [state for state, *_ in explored(CALM)[::40]]
    for state in states:
        orbit = {renamed(machine, state, way) for way in ways}
        assert {canonical(other) for other in orbit} == {canonical(state)}
        assert canonical(state) in orbit


def explored(of):
    """States that are reached, which are more alike than random ones."""
    machine = Machine(bounded(of, {}), DOMAINS)
    seen, level = {machine.initial()}, [machine.initial()]
    while len(seen) < 2_000:
        level = list({after for state in level for _, after in machine.successors(state)} - seen)
        seen.update(level)
    return [(state,) for state in sorted(seen)]


def test_as_many_states_as_orbits(calm):
    machine, states, orbits_of_them = calm
    all_of_them, up_to_renaming = explore(machine), explore(machine, symmetric=True)
    assert all_of_them.exhausted and up_to_renaming.exhausted
    assert all_of_them.states == len(states)
    assert up_to_renaming.states == orbits_of_them < len(states) / 2


def test_a_form_that_merges_too_much_is_noticed(calm, monkeypatch):
    """People sorted one variable after the other, say, are other people."""
    machine, _, orbits_of_them = calm

    class Merging(Symmetry):
        def __call__(self, state):
            return tuple(sorted(state[:6])) + super().__call__(state)[6:]

    monkeypatch.setattr("mapproof.proofs.running.exploration.Symmetry", Merging)
    assert explore(machine, symmetric=True).states != orbits_of_them


def test_a_form_that_tries_too_few_orders_is_noticed(monkeypatch):
    """Elements of one signature in the order in which they come are not always in one order."""
    monkeypatch.setattr(symmetry.Symmetry, "_arrangements", lambda self, sort, group, state: [tuple(group)])
    with pytest.raises(AssertionError):
        test_the_canonical_form_is_that_of_every_renaming()


# ------------------------------------------------------------------------------------------------ what is broken


@pytest.fixture(scope="module")
def stated():
    """How long the shortest run is to each statement that breaks, found the obviously right way."""
    return plain_search(machine_within(SAMPLE, SMALL))[1]


@pytest.mark.parametrize("kind", ["invariants", "lemmas", "step_properties"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_shortest_run_to_each_statement(kind, symmetric, stated):
    for made in getattr(SAMPLE, kind).values():
        machine = machine_within(replace(CALM, **{kind: {made.name: made}}), SMALL)
        found = explore(machine, symmetric=symmetric)
        assert len(found.trace) == stated.get(made.name, 0)
        assert (made.name in found.broken) == (made.name in stated)
        assert found.exhausted == (made.name not in stated)
        if found.broken:
            *_, (before, after) = replayed(machine, found.trace)
            kept = kind == "step_properties" and machine.keeps(before, after, made.name)
            assert not (kept if kind == "step_properties" else machine.holds(after, made.name))


@pytest.mark.parametrize("symmetric", [False, True])
def test_everything_that_breaks_is_found_on_the_way(symmetric, stated):
    """Each statement is asked only after steps that write what it reads, until it breaks: none is missed."""
    found = explore(machine_within(without_claims(SAMPLE), SMALL), symmetric=symmetric, until_claim=True)
    assert found.exhausted
    assert {name: len(run) for name, run in found.runs.items()} == {
        name: length for name, length in stated.items() if name not in SAMPLE.claims
    }


def test_a_statement_that_is_asked_too_seldom_is_noticed(stated, monkeypatch):
    """What it reads is looked up wrongly: then a step that breaks it goes by."""
    monkeypatch.setattr("mapproof.proofs.running.exploration.functions_read", lambda formula: frozenset())
    found = explore(machine_within(without_claims(SAMPLE), SMALL), until_claim=True)
    assert found.exhausted
    assert not {"few", "has_item", "one_guest"} & found.runs.keys()
    assert {"few", "has_item", "one_guest"} & stated.keys()


@pytest.mark.parametrize("mutant", INVENTORY.mutants, ids=lambda mutant: mutant.name)
def test_renaming_does_not_change_what_is_broken_nor_when(mutant):
    machine = machine_within(mutant.system, mutant.bound)
    plain, up_to_renaming = (
        explore(machine, symmetric=symmetric, until_claim=True) for symmetric in (False, True)
    )
    assert up_to_renaming.states < plain.states
    assert up_to_renaming.exhausted == plain.exhausted
    assert len(up_to_renaming.trace) == len(plain.trace)
    assert {name: len(run) for name, run in up_to_renaming.runs.items()} == {
        name: len(run) for name, run in plain.runs.items()
    }


def test_a_claim_ends_the_search(stated):
    machine = machine_within(SAMPLE, SMALL)
    assert stated["somebody likes a box"] == stated["a new colour"] == 1
    for found in (explore(machine, invariants=False, symmetric=True), explore(machine, until_claim=True)):
        assert not found.exhausted
        assert len(found.trace) == 1
        assert set(found.broken) & set(SAMPLE.claims)


def test_a_wrong_start_is_a_run_of_no_steps():
    @invariant("nothing is open")
    def shut():
        """The room is closed."""
        return ~room.open

    found = explore(machine_within(CALM.with_invariants("shut", [shut]), SMALL))
    assert found.broken == ("shut",)
    assert found.trace == ()
    assert found.states == 1


# ------------------------------------------------------------------------------------------------ bounds and budgets


def test_how_often_an_action_happens_is_part_of_the_state(calm):
    machine, states, _ = calm
    counts = {tuple(machine.read(s, f"Times.{a}") for a in SMALL.at_most) for s in states}
    assert max(counts) == (1, 1, 2, 1)
    assert min(counts) == (0, 0, 0, 0)


def test_only_actions_that_there_are_can_be_bounded():
    with pytest.raises(ModelError, match="calm has no action jump to bound"):
        bounded(CALM, {"jump": 1})


@pytest.mark.parametrize("budget", [{"most_states": 10}, {"seconds": 0.0}])
def test_a_budget_that_ends_first_is_no_exhaustion(budget):
    found = explore(machine_within(CALM, SMALL), **budget)
    assert not found.exhausted
    assert not found.broken
    assert found.states <= 10


def test_a_budget_of_just_all_states_is_enough():
    machine = machine_within(CALM, SMALL)
    states = explore(machine).states
    assert explore(machine, most_states=states).exhausted
    assert not explore(machine, most_states=states - 1).exhausted


def test_states_that_are_not_allowed_are_not_entered():
    machine = machine_within(CALM, SMALL)
    found = explore(machine, allowed=lambda state: machine.read(state, "Times.hold") == 0)
    assert found.exhausted
    assert found.states < explore(machine).states


# ------------------------------------------------------------------------------------------------ traces and walks


def test_a_trace_reads_line_by_line():
    machine = Machine(SAMPLE, DOMAINS)
    trace = (("fill", ("b1", "i1")), ("close", ("nothing",)))
    assert rendered(machine, trace).splitlines() == [
        (
            "b1: fill(i=i1)  An item goes into a box; the last item is thrown out everywhere  "
            "b0.has[nothing] = False; b0.has[i1] = True; b1.has[nothing] = False; b1.has[i1] = True; "
            "room.total = 1; b1.item = i1"
        ),
        "nothing: close  The room closes when nobody likes a box  room.open = False",
    ]
    with pytest.raises(ModelError, match="cannot happen there"):
        rendered(machine, (("hold", ("p0", "b0")),))


def test_a_walk_breaks_a_claim_or_counts_its_steps():
    found = walk(Machine(SAMPLE, DOMAINS), walks=5, length=30, seed=1)
    assert found.broken
    *_, (before, _) = replayed(machine := Machine(SAMPLE, DOMAINS), found.trace)
    name, arguments = found.trace[-1]
    assert machine.step(before, name, *arguments).broken_claims == found.broken
    calm = walk(Machine(CALM, DOMAINS), walks=5, length=30, seed=1)
    assert not calm.broken and not calm.exhausted
    assert 5 < calm.states <= 150
