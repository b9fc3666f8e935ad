"""Whether Z3 and compiled Python agree on what an action does to one state, and on what is true of a state.

The idea: a state over a few elements is a vector of cells. `symbolic` reads each action once over cells, arguments and
results that are variables; that gives one formula, "the guards are as said, and then so are all cells after the step
and all claims". For each sample the variables are replaced by what Python said, and Z3 must simplify the formula to
true. Elements are the values of a model of Z3's own, so that it knows them to be different; a quantifier is the
conjunction over them.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cached_property

import z3

from mapproof.proofs.chapters import Bound
from mapproof.proofs.running.concrete import Machine
from mapproof.proofs.running.layout import elements_of
from mapproof.proofs.solving import symbolic
from mapproof.proofs.terms import Bool, Enumeration, Int


class Formula:
    """A formula over variables, of which values are made quickly: z3.substitute asks the sort of each at each call."""

    def __init__(self, formula, variables):
        self._formula, self._variables = formula, variables
        self._kind = z3.Ast * len(variables)
        self._from = self._kind(*(variable.as_ast() for variable in variables))

    def holds(self, values):
        """Whether Z3 simplifies the formula to true, given the variables' values in their order."""
        context, into = z3.main_ctx(), self._kind(*(value.as_ast() for value in values))
        made = z3.Z3_substitute(context.ref(), self._formula.as_ast(), len(into), self._from, into)
        return z3.is_true(z3.simplify(z3.BoolRef(made, context)))


class Agreement:
    """Asks both readings of one system over the same elements."""

    def __init__(self, system, domains):
        self.system, self.machine = system, Machine(system, domains)
        self.layout = self.machine.layout
        self.places = self.layout.places
        self._elements = self._values_of_a_model()
        self._named = [
            (symbolic.constant(sort, name), self._literal(sort, self.layout.code(sort, name)))
            for sort in system.sorts
            for name in sort.named
        ]
        self._before, self._after = self._cells("before"), self._cells("after")
        self._both = {code: z3.BoolVal(code) for code in (False, True)}
        self._steps = {}

    # ---------------------------------------------------------------------------------------- values

    def _values_of_a_model(self):
        solver, constants = z3.Solver(), {}
        for sort in self.system.sorts:
            size = self.layout.size(sort)
            constants[sort] = [z3.Const(f"{sort.__name__} {i}", symbolic.z3_sort(sort)) for i in range(size)]
            solver.add(z3.Distinct(*constants[sort]))
        assert solver.check() == z3.sat
        model = solver.model()
        return {sort: [model.eval(c, model_completion=True) for c in cs] for sort, cs in constants.items()}

    def _literal(self, sort, code):
        if sort is Int:
            return z3.IntVal(code)
        if sort is Bool:
            return z3.BoolVal(bool(code))
        if issubclass(sort, Enumeration):
            return symbolic.constant(sort, sort.labels[code])
        return self._elements[sort][code]

    @cached_property
    def _literals(self):
        """For each slot the literals of its values, by their numbers; numbers of their own are made when met."""
        return [
            {}
            if f.result is Int
            else dict(
                enumerate(map(lambda c, s=f.result: self._literal(s, c), range(self.layout.size(f.result))))
            )
            for f, _ in self.places
        ]

    def _given(self, state):
        """The literals of a state's cells."""
        values = []
        for literals, code in zip(self._literals, state, strict=True):
            if code not in literals:
                literals[code] = z3.IntVal(code)
            values.append(literals[code])
        return values

    # ---------------------------------------------------------------------------------------- formulas

    def _cells(self, when):
        return [
            z3.Const(f"{when} {f.label.format(*cell)}", symbolic.z3_sort(f.result)) for f, cell in self.places
        ]

    def _state(self, cells):
        """A state of `symbolic` that looks each cell up among the variables."""

        def reading(f):
            start = self.layout.offsets[f.name]
            choices = list(itertools.product(*(range(self.layout.size(s)) for s in f.arguments)))

            def read(*arguments):
                *others, (_, last) = zip(choices, cells[start : start + len(choices)], strict=True)
                result = last
                for cell, variable in others:
                    here = (
                        a == self._literal(s, c) for a, s, c in zip(arguments, f.arguments, cell, strict=True)
                    )
                    result = z3.If(z3.And(*here), variable, result)
                return result

            return read

        return {f.name: reading(f) for f in self.system.functions}

    def _finite(self, expr):
        """The expression with named elements as values, and no quantifiers."""
        known = z3.simplify(z3.substitute(expr, *self._named))  # what is small is gone through sooner
        return z3.simplify(self._expanded(known, {}))

    def _expanded(self, expr, done):
        key = expr.get_id()
        if key not in done:
            if z3.is_quantifier(expr):
                ranges = [self._of_z3(expr.var_sort(i)) for i in range(expr.num_vars())]
                # z3 numbers bound variables from the innermost, and substitutes in that order
                bodies = (
                    z3.substitute_vars(expr.body(), *reversed(choice))
                    for choice in itertools.product(*ranges)
                )
                made = z3.And(*(self._expanded(body, done) for body in bodies))
            elif expr.num_args():
                made = expr.decl()(*(self._expanded(argument, done) for argument in expr.children()))
            else:
                made = expr
            done[key] = expr, made  # the expression is kept too, or its number would be given to another
        return done[key][1]

    def _of_z3(self, z3_sort):
        for sort, elements in self._elements.items():
            if symbolic.z3_sort(sort) == z3_sort:
                return elements
        return [z3_sort.constructor(i)() for i in range(z3_sort.num_constructors())]

    def _step(self, action):
        """The formula of an action, and which functions it writes. Variables are cells before, arguments, guard, cells
        after, claims."""
        if action.name not in self._steps:
            before, scope = self._state(self._before), symbolic.parameters(action)
            later = symbolic.after(before, action, scope)
            guard, claims = z3.Bool("guard"), [z3.Bool(f"claim {i}") for i in range(len(action.claims))]
            written = {write.function.name for write in action.writes}
            same = []
            for (f, cell), variable in zip(self.places, self._after, strict=True):
                if f.name in written:
                    codes = map(self.layout.code, f.arguments, cell)
                    same.append(later[f.name](*map(self._literal, f.arguments, codes)) == variable)
            held = [
                symbolic.term(c.formula, before, scope) == said
                for c, said in zip(action.claims, claims, strict=True)
            ]
            guards = z3.And(*(symbolic.term(g, before, scope) for g in action.guards))
            formula = z3.And(guard == guards, z3.Implies(guard, z3.And(*same, *held)))
            free = [*self._before, *scope.values(), guard, *self._after, *claims]
            self._steps[action.name] = Formula(self._finite(formula), free), written
        return self._steps[action.name]

    @cached_property
    def _truths(self):
        """One formula for all that is stated of a state, and one for what is stated of a step, with their variables."""
        before, later = self._state(self._before), self._state(self._after)
        stated = [*self.system.invariants.values(), *self.system.lemmas.values()]
        said = [z3.Bool(made.name) for made in stated]
        formula = z3.And(
            *(symbolic.term(i.formula, before, {}) == v for i, v in zip(stated, said, strict=True))
        )
        kept = list(self.system.step_properties.values())
        says = [z3.Bool(made.name) for made in kept]
        steps = z3.And(
            *(symbolic.term(p.formula, before, {}, later) == v for p, v in zip(kept, says, strict=True))
        )
        return (
            Formula(self._finite(formula), [*self._before, *said]),
            Formula(self._finite(steps), [*self._before, *self._after, *says]),
        )

    # ---------------------------------------------------------------------------------------- questions

    def on_step(self, state, action, codes):
        """Whether both do the same, and what Python did. Cells that the action does not write must stay."""
        formula, written = self._step(action)
        names = [self.layout.value(p.sort, code) for p, code in zip(action.parameters, codes, strict=True)]
        step = self.machine.step(state, action.name, *names)
        after = state if step is None else step.after
        broken = () if step is None else step.broken_claims
        agrees = formula.holds(
            [
                *self._given(state),
                *(self._literal(p.sort, code) for p, code in zip(action.parameters, codes, strict=True)),
                self._both[step is not None],
                *self._given(after),
                *(self._both[c.title not in broken] for c in action.claims),
            ]
        )
        stays = all(
            old == new or f.name in written
            for (f, _), old, new in zip(self.places, state, after, strict=True)
        )
        return agrees and stays, step

    def on_truths(self, state):
        """Whether the two find the same invariants and lemmas true."""
        stated = (*self.system.invariants, *self.system.lemmas)
        said = [self._both[self.machine.holds(state, name)] for name in stated]
        return self._truths[0].holds([*self._given(state), *said])

    def on_properties(self, state, later):
        """Whether the two find the same properties of the step true."""
        says = [self._both[self.machine.keeps(state, later, name)] for name in self.system.step_properties]
        return self._truths[1].holds([*self._given(state), *self._given(later), *says])

    # ---------------------------------------------------------------------------------------- samples

    def random_state(self, rng, most=4):
        """Any state whatever; integers from -1 on."""
        return tuple(
            rng.randrange(-1, most) if f.result is Int else rng.randrange(self.layout.size(f.result))
            for f, _ in self.places
        )

    def sample(self, rng):
        """A random action with random arguments in a random state, most often where its places fit."""
        action = rng.choice(list(self.system.actions.values()))
        codes = [rng.randrange(self.layout.size(p.sort)) for p in action.parameters]
        state = self.random_state(rng)
        if rng.random() < 0.9:
            state = self.fitting(rng, state, action, codes)
        return state, action, codes

    def fitting(self, rng, state, action, codes):
        """The state, changed here and there until the action can happen; as it is when that does not come about."""
        names = [self.layout.value(p.sort, code) for p, code in zip(action.parameters, codes, strict=True)]
        scope = dict(zip(action.parameters, names, strict=True))
        for guard in action.guards:
            for _ in range(12):
                if self.machine.evaluate(state, guard, scope):
                    break
                read = self.machine.cells_read(state, guard, scope)
                changed = list(state)
                for name, cell in read:
                    f = self.layout.functions[name]
                    slot = self.layout.slot(f, tuple(map(self.layout.code, f.arguments, cell)))
                    changed[slot] = (
                        rng.randrange(-1, 4) if f.result is Int else rng.randrange(self.layout.size(f.result))
                    )
                state = tuple(changed)
        return state


@dataclass(frozen=True, slots=True)
class Compared:
    """How many steps happened and were compared, how many were tried, which actions happened, what was not the same."""

    transitions: int
    tried: int
    happened: set[str]
    disagreements: list[str]


def domains_for(system, more=1):
    """The elements that the system names, and a few of each sort."""
    sizes = {sort.__name__: len(sort.named) + more + (not sort.named) for sort in system.sorts}
    return elements_of(system, Bound(sizes))


def run(agreement, seed, transitions, *, truths_every=10, most_tried=20):
    """Compare until so many transitions have happened, or `most_tried` times as many were tried."""
    rng, done, tried, happened, wrong = random.Random(seed), 0, 0, set(), []
    while done < transitions and tried < most_tried * transitions:
        state, action, codes = agreement.sample(rng)
        agrees, step = agreement.on_step(state, action, codes)
        tried += 1
        if not agrees:
            wrong.append(f"{action.name}{codes}")
        if step is not None:
            done += 1
            happened.add(action.name)
            if not agreement.on_properties(state, step.after):
                wrong.append(f"{action.name}{codes}: properties of steps")
            if done % truths_every == 0 and not agreement.on_truths(step.after):
                wrong.append(f"after {action.name}{codes}: what is stated")
    return Compared(done, tried, happened, wrong)
