"""Which statements of the invariant a proof uses, and which the whole proof cannot do without.

The idea: every assumption of an obligation stands under a name, and Z3 says which names it needed to find the
negation unsatisfiable; names are then left out one by one, so that none remains without which the proof still
works. A statement is needed when it is what a mutant breaks, or when some other obligation has a counterexample
without it: a statement that is neither is not known to be worth its place.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

import z3

from mapproof.proofs.chapters import Mutant
from mapproof.proofs.solving import symbolic
from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.solving.queries import Obligation, Queries, Query, solver, steps
from mapproof.proofs.transition_system import System

PATIENCE = (0.5, 5.0)
"""How many seconds an obligation is given to show a counterexample, first and then."""


def core(query: Query, *, timeout: float, minimal: bool = True) -> tuple[str, ...] | None:
    """The names of invariants that suffice to prove the query; None when it is not proved.

    Beside them, every guard may be used. None is to spare if the core is to be `minimal`; what `timeout` seconds did
    not allow to leave out stays.
    """
    deadline = Deadline(timeout)
    asked, names = solver(deadline), {name: z3.Bool(f"the invariant {name}") for name in query.held}
    if asked is None:
        return None
    asked.add(*query.given, z3.Not(query.goal))
    asked.add(*(z3.Implies(names[name], held) for name, held in query.held.items()))
    used = _used(asked, names, names)
    for name in query.held if minimal else ():
        if used is not None and name in used and deadline.remaining():
            used = _used(asked, names, used - {name}) or used
    return None if used is None else tuple(name for name in names if name in used)


def _used(
    asked: symbolic.Expr, names: Mapping[str, symbolic.Expr], allowed: Container[str]
) -> frozenset[str] | None:
    """A part of the allowed assumptions that suffices; None when they do not, or Z3 gave up."""
    if asked.check(*(literal for name, literal in names.items() if name in allowed)) != z3.unsat:
        return None
    found = {str(literal) for literal in asked.unsat_core()}
    return frozenset(name for name, literal in names.items() if str(literal) in found)


@dataclass(frozen=True, slots=True)
class Need:
    """Why an invariant has its place: the mutants that break it, and an obligation that is refuted without it."""

    invariant: str
    mutants: tuple[str, ...]
    obligation: Obligation | None

    @property
    def needed(self) -> bool:
        """There is such a mutant or such an obligation."""
        return bool(self.mutants) or self.obligation is not None


def needed(system: System, mutants: Iterable[Mutant], *, timeout: float) -> tuple[Need, ...]:
    """For each invariant of a proved system why it is needed, within `timeout` seconds in all.

    An obligation counts only with a counterexample: where Z3 gives up, nothing is said. The invariant's own
    obligations do not count.
    """
    deadline, queries = Deadline(timeout), Queries(system)
    broken = [(mutant.name, mutant.statement) for mutant in mutants]
    asked = {step: made for step in steps(system) if (made := queries.of(step)) and made[0].held}
    used = {
        step: core(Query.joined(made), timeout=deadline.remaining(), minimal=False)
        for step, made in asked.items()
    }
    return tuple(
        Need(
            invariant,
            tuple(mutant for mutant, statement in broken if statement == invariant),
            _refuted_without(
                invariant, [made for step, made in asked.items() if invariant in (used[step] or ())], deadline
            ),
        )
        for invariant in system.invariants
    )


def _refuted_without(invariant: str, asked: list[list[Query]], deadline: Deadline) -> Obligation | None:
    """The first obligation that has a counterexample when the invariant is not assumed, if one has.

    Most that have one show it at once, and others keep Z3 for ever: so all are asked for a moment first.
    """
    rest = [_without(invariant, q) for queries in asked for q in queries if q.statement != invariant]
    for seconds in PATIENCE:
        found = next((q for q in rest if _refuted(q, Deadline(min(seconds, deadline.remaining())))), None)
        if found is not None:
            return found.obligations[0]
    return None


def _without(invariant: str, query: Query) -> Query:
    return replace(query, held={name: held for name, held in query.held.items() if name != invariant})


def _refuted(query: Query, deadline: Deadline) -> bool:
    asked = solver(deadline)
    if asked is None:
        return False
    asked.add(*query.assumptions, z3.Not(query.goal))
    return bool(asked.check() == z3.sat)
