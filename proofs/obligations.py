"""What has to be shown of a system, and asking Z3 for it.

The idea: the invariant is inductive when it holds at first and every action keeps every statement of it,
all statements assumed before the action. Each such pair, and each claim made in an action, is an obligation:
PROVED only when Z3 finds its negation unsatisfiable, REFUTED when it has a state to show, and UNDECIDED
whenever it gave up or the time ran out. To be quick, all obligations of an action are asked in one query;
only when that one is not settled are they asked one by one.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

import z3

from mapproof.proofs import symbolic
from mapproof.proofs.counterexamples import Counterexample, Query, counterexample
from mapproof.proofs.transition_system import Action, Invariant, System
from mapproof.proofs.tree import functions_read
from mapproof.spec.evidence import Verdict

QUERY_SECONDS = 20.0
"""The most that one query may take, whatever is left of the whole."""


class Deadline:
    """The time that is left of a number of seconds, from now on."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; 0 when there are none."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing to show. `statement` is the name of an invariant or the title of a claim."""

    action: str
    statement: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one obligation: `counterexample` is there exactly when it was refuted."""

    obligation: Obligation
    verdict: Verdict
    counterexample: Counterexample | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """The results of all obligations that were asked."""

    results: tuple[Result, ...]

    @property
    def verdict(self) -> Verdict:
        """PROVED when every obligation is; REFUTED when some is; else UNDECIDED. Nothing asked is UNDECIDED."""
        verdicts = {result.verdict for result in self.results}
        if Verdict.REFUTED in verdicts:
            return Verdict.REFUTED
        return Verdict.PROVED if verdicts == {Verdict.PROVED} else Verdict.UNDECIDED

    def of(self, statement: str) -> Proof:
        """The part that speaks of one statement."""
        return Proof(tuple(r for r in self.results if r.obligation.statement == statement))

    def counterexamples(self) -> tuple[Counterexample, ...]:
        """One for each refuted obligation."""
        return tuple(r.counterexample for r in self.results if r.counterexample is not None)


def prove(
    system: System,
    *,
    timeout: float,
    actions: Iterable[str] | None = None,
    statement: str | None = None,
    batched: bool = True,
) -> Proof:
    """Ask for every obligation of the system, within `timeout` seconds in all.

    With `actions`, only for those actions, and not for the initial condition; with `statement`, only for that
    one. Raises `counterexamples.Disagreement` when a counterexample is none on plain Python values.
    """
    deadline = Deadline(timeout)
    asked = _Asked(system)
    names = _steps(system) if actions is None else tuple(actions)
    results: list[Result] = []
    for name in names:
        obligations = [o for o in _obligations(system, name) if statement in (None, o.statement)]
        if not obligations or not deadline.remaining():
            results += [Result(obligation, Verdict.UNDECIDED) for obligation in obligations]
            continue
        queries = asked.queries(name, {obligation.statement for obligation in obligations})
        if batched and _ask(Query.joined(queries), deadline) == z3.unsat:
            results += [Result(obligation, Verdict.PROVED) for obligation in obligations]
        else:
            results += [_decide(query, deadline) for query in queries]
    return Proof(tuple(results))


def batches(system: System) -> Iterator[Query]:
    """Every obligation of the system, those of one action joined in one query."""
    asked = _Asked(system)
    for name in _steps(system):
        yield Query.joined(asked.queries(name, {o.statement for o in _obligations(system, name)}))


def _steps(system: System) -> tuple[str, ...]:
    """What obligations are asked of: the initial condition, any state if there are lemmas, every action."""
    observed = (system.observation.name,) if system.lemmas else ()
    return (system.initial.name, *observed, *system.actions)


def _action(system: System, name: str) -> Action:
    if name == system.initial.name:
        return system.initial
    observation = system.observation
    return observation if name == observation.name else system.actions[name]


def _obligations(system: System, action: str) -> list[Obligation]:
    made = _action(system, action)
    statements = [claim.title for claim in made.claims]
    if action != system.observation.name:
        statements += system.invariants
    if action in system.actions:
        statements += system.step_properties
    return [Obligation(action, statement) for statement in statements]


class _Asked:
    """The obligations of a system as Z3 terms over one state of which only the invariant is known."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._before = symbolic.any_state(system)
        self._elements = symbolic.distinct_elements(system)
        self._held = {i.name: symbolic.term(i.formula, self._before, {}) for i in system.invariants.values()}
        self._reads = {i.name: functions_read(i.formula) for i in system.invariants.values()}

    def queries(self, name: str, statements: Container[str]) -> list[Query]:
        """The obligations of one action, in the order of `_obligations`."""
        system, before, action = self._system, self._before, _action(self._system, name)
        scope = symbolic.parameters(action)
        assumptions = [*self._elements, *(symbolic.term(guard, before, scope) for guard in action.guards)]
        if action is not system.initial:
            assumptions += self._held.values()
        made = [
            Query(system, action, c.title, c.formula, True, assumptions, goal, before)
            for c in action.claims
            if c.title in statements
            for goal in [symbolic.term(c.formula, before, scope)]
        ]
        asked = {o.statement for o in _obligations(system, name)}
        made += [
            Query(system, action, i.name, i.formula, False, assumptions, self._kept(action, i, scope), before)
            for i in system.invariants.values()
            if i.name in statements and i.name in asked
        ]
        later = symbolic.after(before, action, scope)
        return made + [
            Query(system, action, p.name, p.formula, False, assumptions, goal, before)
            for p in system.step_properties.values()
            if p.name in statements and p.name in asked
            for goal in [symbolic.term(p.formula, before, {}, later)]
        ]

    def _kept(self, action: Action, i: Invariant, scope: symbolic.Scope) -> symbolic.Expr:
        """The invariant after the action. Where it reads nothing that is written, that is what it was before."""
        if self._reads[i.name].isdisjoint(write.function.name for write in action.writes):
            return self._held[i.name]
        return symbolic.term(i.formula, symbolic.after(self._before, action, scope), {})


def _obligation(query: Query) -> Obligation:
    return Obligation(query.action.name, query.statement)


def _solver(deadline: Deadline) -> symbolic.Expr | None:
    """A fresh solver that stops in time; None when there is none left."""
    milliseconds = int(1000 * min(QUERY_SECONDS, deadline.remaining()))
    if milliseconds < 1:
        return None
    solver = z3.Solver()
    solver.set("timeout", milliseconds)
    return solver


def _ask(query: Query, deadline: Deadline) -> symbolic.Expr:
    """Whether the negated goal is satisfiable; z3.unknown when time is up."""
    solver = _solver(deadline)
    if solver is None:
        return z3.unknown
    solver.add(*query.assumptions, z3.Not(query.goal))
    return solver.check()


def _decide(query: Query, deadline: Deadline) -> Result:
    solver = _solver(deadline)
    answer = z3.unknown
    if solver is not None:
        solver.add(*query.assumptions, z3.Not(query.goal))
        answer = solver.check()
    if answer == z3.unsat:
        return Result(_obligation(query), Verdict.PROVED)
    if answer == z3.sat:
        return Result(_obligation(query), Verdict.REFUTED, counterexample(query, solver))
    return Result(_obligation(query), Verdict.UNDECIDED)


# ------------------------------------------------------------------------------------------------ vacuity


@dataclass(frozen=True, slots=True)
class Vacuity:
    """Which actions can happen in some state of the invariant. All names; every action is in one list.

    `dead` was declared impossible and shown to be; `impossible` was shown to be and not declared;
    `alive_after_all` was declared impossible and is not.
    """

    possible: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    impossible: tuple[str, ...] = ()
    alive_after_all: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """EXHAUSTED when each action is possible or rightly declared dead."""
        if self.impossible or self.alive_after_all:
            return Verdict.FAILED
        return Verdict.UNDECIDED if self.undecided else Verdict.EXHAUSTED


def vacuity(system: System, *, timeout: float) -> Vacuity:
    """Ask for each action whether its guards can hold together with the invariant, within `timeout` seconds.

    A proof about an action that can never happen says nothing; nor does one from a contradictory invariant,
    under which no action can.
    """
    deadline = Deadline(timeout)
    before = symbolic.any_state(system)
    assumed = [symbolic.term(i.formula, before, {}) for i in system.invariants.values()]
    found: dict[str, list[str]] = {}
    for action in system.actions.values():
        scope = symbolic.parameters(action)
        guards = [symbolic.term(guard, before, scope) for guard in action.guards]
        solver = _solver(deadline)
        answer = z3.unknown
        if solver is not None:
            solver.add(*symbolic.distinct_elements(system), *assumed, *guards)
            answer = solver.check()
        found.setdefault(_kind(answer, action), []).append(action.name)
    return Vacuity(**{kind: tuple(names) for kind, names in found.items()})


def _kind(answer: symbolic.Expr, action: Action) -> str:
    if answer == z3.sat:
        return "alive_after_all" if action.dead else "possible"
    if answer == z3.unsat:
        return "dead" if action.dead else "impossible"
    return "undecided"
