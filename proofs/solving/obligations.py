"""What has to be shown of a system, and asking Z3 for it.

The idea: the invariant is inductive when it holds at first and every action keeps every statement of it,
all statements assumed before the action. Each such pair, each claim made in an action, each lemma and each
property of steps is an obligation: PROVED only when Z3 finds its negation unsatisfiable, REFUTED when it has a
state to show, and UNDECIDED whenever it gave up or the time ran out. To be quick, all obligations of an action
are asked in one query; only when that one is not settled are they asked one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import z3

from mapproof.proofs.solving import symbolic
from mapproof.proofs.solving.counterexamples import Counterexample, counterexample
from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.solving.queries import Obligation, Queries, Query, obligations_of, solver, steps
from mapproof.proofs.transition_system import Action, System
from mapproof.spec.evidence import Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one obligation: `counterexample` is there exactly when it was refuted.

    It was decided in one query together with `together - 1` others; `seconds` is its share of that query's time.
    """

    obligation: Obligation
    verdict: Verdict
    counterexample: Counterexample | None = None
    seconds: float = 0.0
    together: int = 1

    @property
    def query_seconds(self) -> float:
        """The time of the query that decided it."""
        return self.seconds * self.together


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

    @property
    def seconds(self) -> float:
        """The time of all queries."""
        return sum(result.seconds for result in self.results)

    @property
    def slowest(self) -> Result | None:
        """The result that took the slowest query; None of none."""
        return max(self.results, key=lambda result: result.query_seconds, default=None)

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
    progress: Callable[[str], None] = lambda action: None,
) -> Proof:
    """Ask for every obligation of the system, within `timeout` seconds in all.

    With `actions`, only for those actions, and not for the initial condition; with `statement`, only for that
    one. `progress` is told the action that comes next. Raises `counterexamples.Disagreement` when a counterexample
    is none on plain Python values.
    """
    deadline = Deadline(timeout)
    queries = Queries(system)
    results: list[Result] = []
    for name in steps(system) if actions is None else tuple(actions):
        obligations = [o for o in obligations_of(system, name) if statement in (None, o.statement)]
        if not obligations or not deadline.remaining():
            results += [Result(obligation, Verdict.UNDECIDED) for obligation in obligations]
            continue
        progress(name)
        results += _decided(queries.of(name, {o.statement for o in obligations}), deadline, batched=batched)
    return Proof(tuple(results))


def _decided(queries: list[Query], deadline: Deadline, *, batched: bool) -> list[Result]:
    if batched and len(queries) > 1:
        together = _decide(Query.joined(queries), deadline, show=False)
        if together[0].verdict is Verdict.PROVED:
            return together
    return [result for query in queries for result in _decide(query, deadline)]


def _decide(query: Query, deadline: Deadline, *, show: bool = True) -> list[Result]:
    """The results of a query; a counterexample only where it is to be shown."""
    started = time.perf_counter()
    asked, answer = solver(deadline), z3.unknown
    if asked is not None:
        asked.add(*query.assumptions, z3.Not(query.goal))
        answer = asked.check()
    share = (time.perf_counter() - started) / len(query.obligations)
    shown = counterexample(query, asked) if show and answer == z3.sat else None
    verdict = _verdict(answer)
    return [Result(o, verdict, shown, share, len(query.obligations)) for o in query.obligations]


def _verdict(answer: symbolic.Expr) -> Verdict:
    if answer == z3.unsat:
        return Verdict.PROVED
    return Verdict.REFUTED if answer == z3.sat else Verdict.UNDECIDED


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
    queries = Queries(system)
    found: dict[str, list[str]] = {}
    for action in system.actions.values():
        asked, answer = solver(deadline), z3.unknown
        if asked is not None:
            asked.add(*queries.possible(action))
            answer = asked.check()
        found.setdefault(_kind(answer, action), []).append(action.name)
    return Vacuity(**{kind: tuple(names) for kind, names in found.items()})


def _kind(answer: symbolic.Expr, action: Action) -> str:
    if answer == z3.sat:
        return "alive_after_all" if action.dead else "possible"
    if answer == z3.unsat:
        return "dead" if action.dead else "impossible"
    return "undecided"
