"""A counterexample to induction that a person can read, and that was run before it is shown.

The idea: Z3's model of a refuted obligation is made small (`small_models`). Then the same action runs on it in
plain Python: its guards must hold, every invariant must be true before, and the statement false after. Where the
two disagree one of them is wrong about the meaning of the system, and that is raised, never reported as a result.
Only the cells that the step and the broken statement look at are printed, before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mapproof.proofs.chapters import stated
from mapproof.proofs.running.concrete import Machine, Step
from mapproof.proofs.running.evaluation import Evaluation, Looked, Scope
from mapproof.proofs.running.layout import Picture, State, Value
from mapproof.proofs.solving import symbolic
from mapproof.proofs.solving.queries import Query
from mapproof.proofs.solving.small_models import small_model
from mapproof.proofs.transition_system import Action, System
from mapproof.proofs.tree import Apply, Forall, Node


class Disagreement(Exception):
    """Z3 and plain Python do not agree on a counterexample: an error of the kit, not of the system."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the state, named as in the code, before and after the step."""

    name: str
    before: Value
    after: Value
    ghost: bool


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A step from a state in which every invariant holds to one in which `statement` does not.

    `statement` and `sentence` are its title and words; `witness` are the elements for which it fails; `before` and
    `after` are whole states (see `layout`).
    """

    action: str
    words: str
    arguments: tuple[tuple[str, Value], ...]
    statement: str
    sentence: str
    witness: tuple[tuple[str, Value], ...]
    cells: tuple[Cell, ...]
    domains: Mapping[str, tuple[str, ...]]
    before: Picture
    after: Picture

    def __str__(self) -> str:
        """A table of the cells that matter: changed ones marked with a star, the proof's own with a g."""
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments)
        lines = [f"step    {self.action}({arguments})    {self.words}", f"breaks  {self.statement}"]
        if self.sentence:
            lines.append(f"        {self.sentence}")
        if self.witness:
            lines.append("        fails for " + ", ".join(f"{name}={value}" for name, value in self.witness))
        width = max((len(cell.name) for cell in self.cells), default=0)
        middle = max((6, *(len(str(cell.before)) for cell in self.cells)))
        lines.append(f"     {'':{width}}  {'before':{middle}}  after")
        for cell in self.cells:
            mark = ("*" if cell.before != cell.after else " ") + ("g" if cell.ghost else " ")
            lines.append(f"  {mark} {cell.name:{width}}  {cell.before!s:{middle}}  {cell.after}")
        lines.append(
            "  (every statement holds before the step; whether that state can be reached is not said)"
        )
        return "\n".join(line.rstrip() for line in lines)


def counterexample(query: Query, solver: symbolic.Expr) -> Counterexample:
    """The smallest state found for a query that `solver` just called satisfiable, run and rendered.

    Raises `Disagreement` when plain Python does not confirm it.
    """
    small = small_model(query, solver)
    return _replay(query, Machine(query.system, small.domains), small.before, small.arguments)


# ------------------------------------------------------------------------------------------------ the replay


def _replay(query: Query, machine: Machine, picture: Picture, arguments: tuple[Value, ...]) -> Counterexample:
    """Run the action on the decoded state, and insist on what Z3 said."""
    before = machine.encode(picture)
    step = _rerun(query, machine, before, arguments)
    if query.is_claim:
        held = query.statement not in step.broken_claims
    elif query.statement in query.system.step_properties:
        held = machine.keeps(before, step.after, query.statement)
    else:
        held = machine.holds(step.after, query.statement)
    if held:
        raise Disagreement(
            f"{query.system.name}: {query.action.name} keeps {query.statement} on plain values"
        )
    return _render(query, machine, picture, machine.decode(step.after), arguments)


def _rerun(query: Query, machine: Machine, before: State, arguments: tuple[Value, ...]) -> Step:
    if query.action is query.system.initial:
        return _started(query, machine, before)
    step = machine.step(before, query.action.name, *arguments)
    false_before = [name for name in query.system.invariants if not machine.holds(before, name)]
    if step is None or false_before:
        reason = "its guards do not hold" if step is None else f"false before: {false_before}"
        raise Disagreement(f"{query.system.name}: {query.action.name}, {query.statement}: {reason}")
    return step


def _started(query: Query, machine: Machine, before: State) -> Step:
    """The initial state made of any state whatever, in which no invariant need hold."""
    here = Evaluation(machine.domains, machine.decode(before))
    broken = tuple(claim.title for claim in query.action.claims if not here.value(claim.formula, {}))
    return Step(machine.initial(before), broken)


def _render(
    query: Query, machine: Machine, before: Picture, after: Picture, arguments: tuple[Value, ...]
) -> Counterexample:
    action, system = query.action, query.system
    parameters = dict(zip(action.parameters, arguments, strict=True))
    here = Evaluation(machine.domains, before)
    for node in (*action.guards, *system.background):
        here.value(node, parameters)
    looked_at = here.looked_at | _sources(action, machine, before, after, parameters)
    decisive, witness = _decisive(query, machine, before, after, parameters)
    title, sentence = described(system, query.statement)
    own = {p.name for p in action.parameters}
    return Counterexample(
        action.name,
        action.words,
        tuple((p.name, value) for p, value in parameters.items()),
        title,
        sentence,
        tuple((v.name.split("__")[0], value) for v, value in witness.items() if v.name not in own),
        _cells(system, before, after, looked_at | decisive),
        {sort.__name__: tuple(map(str, machine.domains[sort.__name__])) for sort in system.sorts},
        before,
        after,
    )


def _sources(action: Action, machine: Machine, before: Picture, after: Picture, parameters: Scope) -> Looked:
    """The cells from which what has changed was computed; those of an assignment everywhere would be too many."""
    looked_at: Looked = set()
    for write in action.writes:
        if write.variables:
            continue
        here = Evaluation(machine.domains, before)
        cell = tuple(here.value(argument, parameters) for argument in write.arguments)
        if before[write.function.name][cell] != after[write.function.name][cell]:
            here.value(write.value, parameters)
            looked_at |= here.looked_at
    return looked_at


def _decisive(
    query: Query, machine: Machine, before: Picture, after: Picture, parameters: Scope
) -> tuple[Looked, Scope]:
    """The cells that make the statement false, and the elements for which it is."""

    def evaluation() -> Evaluation:
        if query.is_claim:
            return Evaluation(machine.domains, before)
        if query.statement in query.system.step_properties:
            return Evaluation(machine.domains, before, after)
        return Evaluation(machine.domains, after)

    parts, witness = _failing(evaluation(), query.formula, parameters if query.is_claim else {})
    judged = evaluation()
    for part in parts:
        judged.value(part, witness)
    return judged.looked_at, witness


def _failing(judged: Evaluation, node: Node, scope: Scope) -> tuple[list[Node], Scope]:
    """The parts of a false formula that make it false, and the elements for which they do."""
    match node:
        case Apply("and", conjuncts):
            culprit = next(part for part in conjuncts if not judged.value(part, scope))
            return _failing(judged, culprit, scope)
        case Apply("implies", (premise, conclusion)):
            parts, found = _failing(judged, conclusion, scope)
            return [premise, *parts], found
        case Forall(body=body):
            inner = next(choice for choice in judged.scopes(node, scope) if not judged.value(body, choice))
            return _failing(judged, body, inner)
        case _:
            return [node], scope


def _cells(system: System, before: Picture, after: Picture, looked_at: Looked) -> tuple[Cell, ...]:
    return tuple(
        Cell(function.label.format(*cell), value, after[function.name][cell], function.ghost)
        for function in system.functions
        for cell, value in before[function.name].items()
        if (function.name, cell) in looked_at or after[function.name][cell] != value
    )


def described(system: System, statement: str) -> tuple[str, str]:
    """The title of a statement and its sentence in words; a claim is its own title, and has no other words."""
    for made in stated(system):
        if made.name == statement:
            return made.title, made.words
    return statement, ""
