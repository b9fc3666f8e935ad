"""An invariant that nobody wrote: Z3's Spacer looks for one that implies a given statement.

The idea: the reachable states are an unknown relation, each action a rule that says which states it adds, and the
question whether a bad one is ever added (constrained Horn clauses; Komuravelli, Gurfinkel and Chaki, CAV 2014).
Either Spacer answers with an interpretation of the relation, which is an inductive invariant, or with a run.
Neither is believed: the invariant is read back into the language of systems and proved by `obligations` like
one of ours, and by cvc5; the run is run on plain Python values.

It serves where the state is plain variables, and there are few. It is no help with sorts of any number of elements,
nor has it found the mutual exclusion of `systems/rwmutex.py` within minutes. Our own invariants rest on nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import z3

from mapproof.proofs.notation import notation
from mapproof.proofs.running.concrete import Machine
from mapproof.proofs.running.exploration import Trace, rendered, replayed
from mapproof.proofs.solving import symbolic
from mapproof.proofs.solving.counterexamples import Disagreement
from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.solving.obligations import prove
from mapproof.proofs.solving.readback import Reader, sort_is_plain
from mapproof.proofs.solving.second_prover import recheck
from mapproof.proofs.solving.symbolic import Expr
from mapproof.proofs.table.findings import Finding
from mapproof.proofs.terms import ModelError
from mapproof.proofs.transition_system import Action, Invariant, System
from mapproof.proofs.tree import Apply, Node
from mapproof.spec.evidence import Verdict


@dataclass(frozen=True, slots=True)
class Inferred:
    """PROVED with the invariant that was found and by whom it was proved, REFUTED with a run, or UNDECIDED.

    `invariant` has one statement a clause, without the statement that was asked for.
    """

    verdict: Verdict
    invariant: tuple[Invariant, ...] = ()
    certified_by: tuple[str, ...] = ()
    run: Trace = ()

    @property
    def clauses(self) -> tuple[str, ...]:
        """The invariant, a line each, in the names of the system."""
        return tuple(found.title for found in self.invariant)


def infer(system: System, safety: Invariant, *, timeout: float) -> Inferred:
    """Look for an invariant that implies `safety` and the claims of the actions, within about `timeout` seconds.

    The system's own invariants are not used. PROVED only if Z3 has proved what was found. Raises `ModelError` for a
    system that has more than plain variables or an action with parameters, `Disagreement` when a run is none.
    """
    _check_plain(system)
    deadline = Deadline(timeout)
    rules = _Rules(system, safety)
    answer = rules.ask(deadline)
    if answer == z3.sat:
        return Inferred(Verdict.REFUTED, run=_checked(system, safety, rules.trace()))
    if answer != z3.unsat:
        return Inferred(Verdict.UNDECIDED)
    reader = Reader(system)
    found = tuple(_invariant(i, reader.node(clause)) for i, clause in enumerate(rules.clauses(), start=1))
    proved = system.with_invariants(f"{system.name}, its invariant inferred", (safety, *found))
    verdict = prove(proved, timeout=deadline.remaining()).verdict
    if verdict is not Verdict.PROVED:
        return Inferred(Verdict.UNDECIDED, found)
    again = recheck(proved, timeout=deadline.remaining(), proofs=0).verdict is Verdict.PROVED
    return Inferred(Verdict.PROVED, found, ("Z3", "cvc5") if again else ("Z3",))


def _check_plain(system: System) -> None:
    for function in system.functions:
        if function.arguments or not sort_is_plain(function.result):
            raise ModelError(
                f"{system.name}: {function.name} is no plain variable, so nothing can be inferred"
            )
    for action in system.actions.values():
        if action.parameters:
            raise ModelError(f"{system.name}: {action.name} has parameters, so nothing can be inferred")
    set_at_first = {write.function.name for write in system.initial.writes}
    if left := [function.name for function in system.functions if function.name not in set_at_first]:
        raise ModelError(f"{system.name}: {left[0]} has no initial value, so nothing can be inferred")


class _Rules:
    """The system as Horn clauses over the unknown relation of its reachable states."""

    def __init__(self, system: System, safety: Invariant) -> None:
        self._before = symbolic.any_state(system)
        self._names = [function.name for function in system.functions]
        self._variables = self._row(self._before)
        sorts = [variable.sort() for variable in self._variables]
        self._reachable = z3.Function("reachable", *sorts, z3.BoolSort())
        self._solver = z3.Fixedpoint()
        self._solver.register_relation(self._reachable)
        self._solver.declare_var(*self._variables)
        self._add(system.initial)
        for action in system.actions.values():
            self._add(action, self._reachable(*self._variables))
        self._bad = z3.Or(*self._wrong(system, safety))

    def _row(self, state: symbolic.State) -> list[Expr]:
        return [state[name]() for name in self._names]

    def _add(self, action: Action, *premises: Expr) -> None:
        guards = [symbolic.term(guard, self._before, {}) for guard in action.guards]
        after = symbolic.after(self._before, action, {})
        self._solver.rule(self._reachable(*self._row(after)), [*premises, *guards], action.name)

    def _wrong(self, system: System, safety: Invariant) -> Iterator[Expr]:
        yield z3.Not(symbolic.term(safety.formula, self._before, {}))
        for action in system.actions.values():
            for claim in action.claims:
                guards = (symbolic.term(guard, self._before, {}) for guard in action.guards)
                yield z3.And(*guards, z3.Not(symbolic.term(claim.formula, self._before, {})))

    def ask(self, deadline: Deadline) -> Expr:
        """sat when a bad state can be reached, unsat when none can, unknown when time is up."""
        milliseconds = int(1000 * deadline.remaining())
        if milliseconds < 1:
            return z3.unknown
        self._solver.set(engine="spacer", timeout=milliseconds)
        bad = z3.And(self._reachable(*self._variables), self._bad)
        try:
            return self._solver.query(z3.Exists(self._variables, bad))
        except z3.Z3Exception:  # how Spacer says that it was stopped
            return z3.unknown

    def clauses(self) -> list[Expr]:
        """The parts of the invariant that was found; none when every state is allowed."""
        answer = self._solver.get_answer()
        if not z3.is_quantifier(answer):
            return []
        head, body = answer.body().children()
        by_index = {z3.get_var_index(place): self._variables[i] for i, place in enumerate(head.children())}
        body = z3.substitute_vars(body, *(by_index[i] for i in range(len(by_index))))
        return list(body.children()) if z3.is_and(body) else [body]

    def trace(self) -> list[str]:
        """The names of the actions that lead from the initial state to a bad one."""
        _, *taken = (n for n in reversed(self._solver.get_rule_names_along_trace()) if n != "<null>")
        return taken


# ------------------------------------------------------------------------------------------------ what was found


def _invariant(number: int, clause: Node) -> Invariant:
    said = as_implication(clause)
    line = notation(said)
    return Invariant(f"inferred_{number}", line, line, said)


def as_implication(clause: Node) -> Node:
    """A disjunction, told the way people do: what is denied in it first, as the premise."""
    parts = clause.arguments if isinstance(clause, Apply) and clause.operator == "or" else (clause,)
    denied = tuple(part.arguments[0] for part in parts if isinstance(part, Apply) and part.operator == "not")
    said = tuple(part for part in parts if not (isinstance(part, Apply) and part.operator == "not"))
    if not denied:
        return clause
    premise = denied[0] if len(denied) == 1 else Apply("and", denied)
    if not said:
        return Apply("not", (premise,))
    return Apply("implies", (premise, said[0] if len(said) == 1 else Apply("or", said)))


def _checked(system: System, safety: Invariant, actions: list[str]) -> Trace:
    """The run, once Python has done it. Raises `Disagreement` when it cannot, or when nothing is wrong at its end."""
    machine = Machine(system.with_invariants(system.name, (safety,)), {})
    trace = tuple((action, ()) for action in actions)
    try:
        states = [machine.initial(), *(after for _, after in replayed(machine, trace))]
    except ModelError as error:
        raise Disagreement(f"Spacer's run cannot happen: {error}") from None
    steps = (machine.step(states[-1], action) for action in system.actions)
    if machine.holds(states[-1], safety.name) and not any(step and step.broken_claims for step in steps):
        raise Disagreement(f"{system.name}: nothing is wrong at the end of Spacer's run")
    return trace


# ------------------------------------------------------------------------------------------------ in the report


def beside_ours(system: System, found: Inferred, *, timeout: float) -> tuple[str, ...]:
    """The clauses and the system's own statements in words, a line each, and which of them the others imply.

    Neither need imply the other: each only has to be inductive and to imply what was asked for.
    """
    deadline, state, ours = Deadline(timeout), symbolic.any_state(system), tuple(system.invariants.values())

    def follows(statement: Invariant, given: tuple[Invariant, ...]) -> str:
        solver = z3.Solver()
        solver.set("timeout", max(1, int(1000 * deadline.remaining())))
        solver.add(*(symbolic.term(one.formula, state, {}) for one in given))
        answer = str(solver.check(z3.Not(symbolic.term(statement.formula, state, {}))))
        return {"unsat": "implied", "sat": "not implied"}.get(answer, "not decided")

    return (
        *(f"found, {follows(clause, ours)} by ours: {clause.title}" for clause in found.invariant),
        *(f"ours, {follows(own, found.invariant)} by what was found: {own.title}" for own in ours),
    )


def check(*, timeout: float) -> Finding:
    """The invariant of the promotion of one key, inferred: PROVED with its clauses beside ours, REFUTED with a run."""
    from mapproof.proofs.systems.promotion_of_one_key import ONE_KEY, answers

    found = infer(ONE_KEY, answers, timeout=timeout)
    if found.verdict is Verdict.PROVED:
        scope = f"{ONE_KEY.scope}; {len(found.clauses)} clauses found by Spacer"
        lines = beside_ours(ONE_KEY, found, timeout=timeout)
        return Finding(
            found.verdict, f"{scope}, proved by {' and '.join(found.certified_by)}", "\n".join(lines)
        )
    run = rendered(Machine(ONE_KEY, {}), found.run)
    return Finding(found.verdict, ONE_KEY.scope, run or "out of time")
