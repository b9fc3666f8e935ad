"""The obligations of a system as the formulas that a prover is asked about.

The idea: an obligation is one goal under assumptions over one state of which only the invariant is known (see
`symbolic`). The assumptions keep their names, so that a proof can say which statements it used; all goals of an
action can be joined in one query, for they share the assumptions.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

import z3

from mapproof.proofs.chapters import check_titles
from mapproof.proofs.solving import symbolic
from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.transition_system import Action, Invariant, System
from mapproof.proofs.tree import Apply, Node, functions_read

QUERY_SECONDS = 20.0
"""The most that one query may take, whatever is left of the whole."""

SEED = 0
"""Of every solver, so that a run can be repeated."""


@dataclass(frozen=True, slots=True, order=True)
class Obligation:
    """One thing to show. `statement` is the name of an invariant, a lemma or a step property, or a claim's title."""

    action: str
    statement: str

    def __str__(self) -> str:
        return f"{self.action}/{self.statement}"


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """An obligation as Z3 is asked: under the assumptions, the goal. A claim speaks of the state before.

    `given` are the guards, and that named elements differ; `held` the invariants that hold before, by name.
    """

    system: System
    action: Action
    statements: tuple[str, ...]
    formula: Node
    is_claim: bool
    given: tuple[symbolic.Expr, ...]
    held: Mapping[str, symbolic.Expr]
    goal: symbolic.Expr
    before: symbolic.State

    @property
    def statement(self) -> str:
        """The one statement of a query that is not joined."""
        (statement,) = self.statements
        return statement

    @property
    def obligations(self) -> tuple[Obligation, ...]:
        """What is shown when the goal is."""
        return tuple(Obligation(self.action.name, statement) for statement in self.statements)

    @property
    def assumptions(self) -> list[symbolic.Expr]:
        """All that may be used."""
        return [*self.given, *self.held.values()]

    @staticmethod
    def joined(queries: Iterable[Query]) -> Query:
        """All goals of one action as one, without those that are word for word among the assumptions."""
        all_queries = tuple(queries)
        first = all_queries[0]
        assumed = {assumption.get_id() for assumption in first.assumptions}
        return Query(
            first.system,
            first.action,
            tuple(query.statement for query in all_queries),
            first.formula,
            False,
            first.given,
            first.held,
            # SMT-LIB has no `and` of nothing.
            z3.And(True, *(query.goal for query in all_queries if query.goal.get_id() not in assumed)),
            first.before,
        )


def steps(system: System) -> tuple[str, ...]:
    """What obligations are asked of: the initial condition, any state if there are lemmas, every action."""
    observed = (system.observation.name,) if system.lemmas else ()
    return (system.initial.name, *observed, *system.actions)


def obligations_of(system: System, step: str) -> list[Obligation]:
    """The obligations of one of the `steps`, each once, in the order in which they are reported."""
    statements = [claim.title for claim in _action(system, step).claims]
    if step != system.observation.name:
        statements += system.invariants
    if step in system.actions:
        statements += system.step_properties
    return [Obligation(step, statement) for statement in dict.fromkeys(statements)]


def all_obligations(system: System) -> list[Obligation]:
    """Every obligation of the system."""
    return [obligation for step in steps(system) for obligation in obligations_of(system, step)]


def _action(system: System, name: str) -> Action:
    if name == system.initial.name:
        return system.initial
    observation = system.observation
    return observation if name == observation.name else system.actions[name]


class Queries:
    """Every obligation of a system as a query, all over the same symbolic state."""

    def __init__(self, system: System) -> None:
        """Raises `ModelError` when a claim is titled as a statement is named."""
        check_titles(system)
        self._system = system
        self._before = symbolic.any_state(system)
        self._elements = symbolic.distinct_elements(system)
        self._held = {i.name: symbolic.term(i.formula, self._before, {}) for i in system.invariants.values()}
        self._reads = {i.name: functions_read(i.formula) for i in system.invariants.values()}

    def of(self, step: str, statements: Container[str] | None = None) -> list[Query]:
        """The queries of one of the `steps`, in the order of `obligations_of`; all, or for these statements."""
        system, action = self._system, _action(self._system, step)
        scope = symbolic.parameters(action)
        later = symbolic.after(self._before, action, scope)
        queries = []
        for obligation in obligations_of(system, step):
            statement = obligation.statement
            if statements is not None and statement not in statements:
                continue
            if statement in system.invariants:
                made = system.invariants[statement]
                queries.append(
                    self._query(action, scope, made.name, made.formula, self._kept(action, made, later))
                )
            elif statement in system.step_properties:
                kept = system.step_properties[statement]
                goal = symbolic.term(kept.formula, self._before, {}, later)
                queries.append(self._query(action, scope, kept.name, kept.formula, goal))
            else:
                claims = tuple(claim.formula for claim in action.claims if claim.title == statement)
                formula = claims[0] if len(claims) == 1 else Apply("and", claims)
                goal = symbolic.term(formula, self._before, scope)
                queries.append(self._query(action, scope, statement, formula, goal, is_claim=True))
        return queries

    def joined(self) -> Iterator[Query]:
        """Every obligation of the system, those of one action joined in one query."""
        for step in steps(self._system):
            if queries := self.of(step):
                yield Query.joined(queries)

    def possible(self, action: Action) -> list[symbolic.Expr]:
        """What must be satisfiable for the action to happen in some state of the invariant."""
        return [*self._given(action, symbolic.parameters(action)), *self._held.values()]

    def _query(
        self,
        action: Action,
        scope: symbolic.Scope,
        statement: str,
        formula: Node,
        goal: symbolic.Expr,
        *,
        is_claim: bool = False,
    ) -> Query:
        held = {} if action is self._system.initial else self._held
        given = self._given(action, scope)
        return Query(self._system, action, (statement,), formula, is_claim, given, held, goal, self._before)

    def _given(self, action: Action, scope: symbolic.Scope) -> tuple[symbolic.Expr, ...]:
        return (*self._elements, *(symbolic.term(guard, self._before, scope) for guard in action.guards))

    def _kept(self, action: Action, i: Invariant, later: symbolic.State) -> symbolic.Expr:
        """The invariant after the action. Where it reads nothing that is written, that is what it was before."""
        if self._reads[i.name].isdisjoint(write.function.name for write in action.writes):
            return self._held[i.name]
        return symbolic.term(i.formula, later, {})


def solver(deadline: Deadline) -> symbolic.Expr | None:
    """A fresh solver that stops in time; None when there is none left."""
    milliseconds = int(1000 * min(QUERY_SECONDS, deadline.remaining()))
    if milliseconds < 1:
        return None
    made = z3.Solver()
    made.set("timeout", milliseconds)
    made.set("random_seed", SEED)
    return made
