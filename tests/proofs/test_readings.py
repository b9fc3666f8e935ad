"""The two readings of a tree, Z3's and plain Python's, agree on random states of sync.Map."""

import random
from functools import partial
from itertools import product

import pytest
import z3

from mapproof.proofs import symbolic
from mapproof.proofs.concrete import Machine
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.systems.sync_map.mutants import MUTANTS
from mapproof.proofs.terms import Int
from mapproof.proofs.tree import Apply, Constant, Read

DOMAINS = {
    "Thread": ("t0", "t1"),
    "Key": ("k0", "k1"),
    "Pointer": ("nil", "expunged", "v0"),
    "Entry": ("e0", "e1"),
    "EntryMap": ("nil", "map0", "map1"),
}
MACHINE = Machine(SYNC_MAP, DOMAINS)


def random_state(rng):
    def value(sort):
        return rng.randrange(4) if sort is Int else rng.choice(MACHINE.domains[sort.__name__])

    return {
        f.name: {
            cell: value(f.result) for cell in product(*(MACHINE.domains[a.__name__] for a in f.arguments))
        }
        for f in SYNC_MAP.functions
    }


def place_of(action):
    """The label that the action's first guard wants at t.pc."""
    match action.guards[0]:
        case Apply("==", (Read(), Constant(value=label))):
            return label
    raise AssertionError(action.name)


class OfZ3:
    """A plain state as Z3 terms over a closed world of the same few elements."""

    def __init__(self, state):
        self.state = {f.name: partial(self._look_up, f, state[f.name]) for f in SYNC_MAP.functions}
        self.solver = z3.Solver()
        for sort in SYNC_MAP.sorts:
            elements = [self.value(sort, name) for name in DOMAINS[sort.__name__]]
            x = z3.Const("x", symbolic.z3_sort(sort))
            self.solver.add(z3.Distinct(*elements), z3.ForAll([x], z3.Or(*(x == e for e in elements))))

    @staticmethod
    def value(sort, value):
        return symbolic.constant(sort, value)

    def _look_up(self, function, table, *cell):
        *rest, (_, last) = table.items()
        result = self.value(function.result, last)
        for arguments, value in rest:
            here = z3.And(
                *(x == self.value(s, a) for x, s, a in zip(cell, function.arguments, arguments, strict=True))
            )
            result = z3.If(here, self.value(function.result, value), result)
        return result

    def can_be(self, *formulas):
        return self.solver.check(*formulas) == z3.sat


def differences(action, after, given, expected, scope):
    """Formulas, each of which says that a cell after the action is not what Python computed."""
    for f in SYNC_MAP.functions:
        for cell, value in expected[f.name].items():
            if f.name in {write.function.name for write in action.writes}:
                arguments = (given.value(s, a) for s, a in zip(f.arguments, cell, strict=True))
                yield after[f.name](*arguments) != given.value(f.result, value)


@pytest.mark.parametrize("action", SYNC_MAP.actions.values(), ids=lambda action: action.name)
def test_an_action_means_the_same(action):
    rng = random.Random(action.name)
    enabled = 0
    for _ in range(150):
        if enabled == 3:
            break
        state = random_state(rng)
        arguments = rng.choice(list(MACHINE.arguments(action)))
        state["Thread.pc"][arguments[0],] = place_of(action)
        step = MACHINE.step(MACHINE.encode(state), action.name, *arguments)
        if step is None and rng.random() < 0.9:
            continue
        given = OfZ3(state)
        scope = {p.name: given.value(p.sort, a) for p, a in zip(action.parameters, arguments, strict=True)}
        guard = z3.And(*(symbolic.term(g, given.state, scope) for g in action.guards))
        assert given.can_be(guard) == (step is not None)
        if step is not None:
            enabled += 1
            wrong = list(
                differences(
                    action,
                    symbolic.after(given.state, action, scope),
                    given,
                    MACHINE.decode(step.after),
                    scope,
                )
            )
            assert not given.can_be(z3.Or(*wrong))
            for made in action.claims:
                broken = given.can_be(z3.Not(symbolic.term(made.formula, given.state, scope)))
                assert broken or made.title not in step.broken_claims
    assert enabled or action.dead or action.name == "dirty_copy_done"


def test_the_invariants_mean_the_same():
    rng = random.Random(7)
    truths = set()
    for _ in range(8):
        state = random_state(rng)
        given = OfZ3(state)
        for i in SYNC_MAP.invariants.values():
            truth = MACHINE.holds(MACHINE.encode(state), i.name)
            truths.add(truth)
            assert given.can_be(symbolic.term(i.formula, given.state, {})) == truth, i.name
    assert truths == {True, False}


def test_a_difference_is_noticed():
    """The comparison above does fail when one reading is of another action."""
    rng = random.Random(3)
    mutant = next(m for m in MUTANTS if m.name == "promotion keeps dirty")
    state = random_state(rng)
    state["Thread.pc"]["t0",] = "PROMOTE_DIRTY"
    state["SyncMap.dirty"][()] = "map1"
    given, scope = OfZ3(state), {"t": symbolic.constant(SYNC_MAP.sorts[4], "t0")}
    right, wrong = SYNC_MAP.actions["promote_dirty"], mutant.system.actions["promote_dirty"]
    after = MACHINE.decode(MACHINE.step(MACHINE.encode(state), "promote_dirty", "t0").after)
    assert not given.can_be(
        z3.Or(*differences(right, symbolic.after(given.state, right, scope), given, after, scope))
    )
    assert given.can_be(
        z3.Or(*differences(right, symbolic.after(given.state, wrong, scope), given, after, scope))
    )
