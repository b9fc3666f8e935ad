"""Systems on plain values: pictures and flat states, single steps, and all steps at once."""

import random

import pytest
from agreement import Agreement, domains_for
from sample_system import DOMAINS, SAMPLE, Box, Person, few, has_item, nothing, room

from mapproof.proofs.chapters import Bound
from mapproof.proofs.running import concrete, python_source
from mapproof.proofs.running.concrete import Machine, sort_of
from mapproof.proofs.running.layout import elements_of
from mapproof.proofs.systems import chapters
from mapproof.proofs.terms import Bool, If, Int, ModelError
from mapproof.proofs.tree import Variable


@pytest.fixture
def machine():
    return Machine(SAMPLE, DOMAINS)


def states_of(system, domains, count, seed=1):
    rng, agreement = random.Random(seed), Agreement(system, domains)
    return [agreement.sample(rng)[0] for _ in range(count)]


def test_a_picture_is_read_and_written(machine):
    picture = machine.decode(machine.initial())
    assert list(picture) == [f.name for f in SAMPLE.functions]
    assert picture["Box.has"]["b1", "nothing"] is True
    assert picture["Room.open"] == {(): True}
    assert picture["Box.colour"]["b0",] == "RED"
    for state in states_of(SAMPLE, DOMAINS, 50):
        assert machine.encode(machine.decode(state)) == state


def test_a_wrong_picture_is_refused(machine):
    picture = machine.decode(machine.initial())
    with pytest.raises(ModelError, match="Item has no 'i7' here"):
        machine.encode({**picture, "Box.item": {("b0",): "i7", ("b1",): "i0"}})
    with pytest.raises(ModelError, match=r"the state does not give b1\.item"):
        machine.encode({**picture, "Box.item": {("b0",): "i0"}})


def test_a_machine_needs_elements():
    with pytest.raises(ModelError, match="Item needs the elements nothing"):
        Machine(SAMPLE, {**DOMAINS, "Item": ("i0",)})
    with pytest.raises(ModelError, match="Box needs elements, each of its own name"):
        Machine(SAMPLE, {**DOMAINS, "Box": ("b0", "b0")})
    with pytest.raises(ModelError, match="boxes: the bound needs 1 Item or more"):
        elements_of(SAMPLE, Bound({"Box": 1}))


def test_elements_are_named_after_the_sort():
    assert elements_of(SAMPLE, Bound({"Item": 3, "Box": 2, "Person": 3})) == DOMAINS


def test_single_cells_are_read(machine):
    state = machine.initial()
    assert machine.read(state, "Box.colour", "b1") == "RED"
    assert machine.read(state, "Box.marks", "b0", "BLUE") == 1
    assert machine.read(state, "Box.has", "b0", "i0") is False
    assert machine.read(state, "Room.open") is True
    for wrong in (("Box.weight",), ("Box.colour",), ("Room.open", "b0")):
        with pytest.raises(ModelError, match="boxes has no cell"):
            machine.read(state, *wrong)


def test_a_step(machine):
    state = machine.initial()
    step = machine.step(state, "fill", "b1", "i1")
    assert machine.read(step.after, "Box.item", "b1") == "i1"
    assert machine.read(state, "Box.item", "b1") == "nothing"
    assert not step.broken_claims
    assert machine.step(state, "hold", "p0", "b0") is None  # it is held already
    assert not machine.enabled(state, "hold", "p0", "b0")
    assert machine.step(state, "hold", "p0", "b1").broken_claims == ("somebody likes a box",)


def test_unknown_names_are_refused(machine):
    state = machine.initial()
    with pytest.raises(ModelError, match="boxes has no action jump"):
        machine.step(state, "jump")
    with pytest.raises(ModelError, match="hold has 2 parameters, not 1"):
        machine.step(state, "hold", "p0")
    with pytest.raises(ModelError, match="Box has no 'b9' here"):
        machine.step(state, "hold", "p0", "b9")
    with pytest.raises(ModelError, match="boxes has no invariant or lemma truth"):
        machine.holds(state, "truth")
    with pytest.raises(ModelError, match="boxes has no property of steps few"):
        machine.keeps(state, state, "few")


def test_a_property_of_steps_is_no_invariant(machine):
    with pytest.raises(ModelError, match="stands outside a property of steps"):
        machine.evaluate(machine.initial(), SAMPLE.step_properties["total_grows"].formula, {})


def test_terms_have_values_and_cells(machine):
    state = machine.initial()
    p = Variable(Person, "p")
    box = Person(p).box
    assert machine.evaluate(state, box.node, {p: "p2"}) == "b0"
    assert machine.evaluate(state, (box.number * 3 - 1).node, {p: "p1"}) == -1
    assert machine.evaluate(state, If(room.open, box.item, nothing).node, {p: "p1"}) == "nothing"
    assert machine.evaluate(state, few.formula, {}) is True
    assert machine.cells_read(state, box.number.node, {p: "p2"}) == {
        ("Person.box", ("p2",)),
        ("Box.number", ("b0",)),
    }


def test_sorts_of_terms():
    p = Person(Variable(Person, "p"))
    assert [sort_of(term.node) for term in (p, p.box, room.total + 1, p.box == p.box, nothing)] == [
        Person,
        Box,
        Int,
        Bool,
        type(nothing),
    ]
    assert sort_of(has_item.formula) is Bool


def moves_one_by_one(machine, state):
    """The obviously right way: every action, with every choice of arguments."""
    for action in machine.system.actions.values():
        for arguments in machine.arguments(action):
            step = machine.step(state, action.name, *arguments)
            if step is not None:
                yield (action.name, arguments), step.after, step.broken_claims


def moves_at_once(machine, state):
    for move, after in machine.successors(state):
        yield machine.named(move), after, machine.broken_claims(state, move)


def same_moves(machine, states):
    return all(
        sorted(moves_at_once(machine, state)) == sorted(moves_one_by_one(machine, state)) for state in states
    )


@pytest.mark.parametrize("nodes", [python_source.UNROLLED_NODES, 0], ids=["written out", "in loops"])
@pytest.mark.parametrize("system", [SAMPLE, *(c.system for c in chapters())], ids=lambda system: system.name)
def test_all_steps_at_once_are_the_single_ones(system, nodes, monkeypatch):
    monkeypatch.setattr(python_source, "UNROLLED_NODES", nodes)
    domains = domains_for(system)
    assert same_moves(Machine(system, domains), states_of(system, domains, 40))


def test_a_label_forgotten_is_noticed(monkeypatch):
    right = concrete._place

    def forgetful(action):
        place = right(action)
        return place and concrete._Place(place.read, place.parameter, place.labels[1:])

    states = states_of(SAMPLE, DOMAINS, 40)
    assert right(SAMPLE.actions["repaint"]).labels == ("RED", "BLUE")
    monkeypatch.setattr(concrete, "_place", forgetful)
    assert not same_moves(Machine(SAMPLE, DOMAINS), states)


def test_only_actions_at_the_right_place_are_tried():
    system = chapters()[0].system
    machine = Machine(system, domains_for(system))
    by_place, anywhere = machine._tried
    tried = [len(each) for _, here in by_place for each in here]
    assert not anywhere
    assert max(tried) <= 8 < len(system.actions)
