"""All about one thing that is shown: a statement, an obligation, an action, or a mutant.

The idea: what a reviewer asks next. What does it say, in words and in the system's own notation; which obligations
does it make, how long did each take, and on which other statements does each rest; and where something is refuted,
the state that shows it and what that amounts to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mapproof.proofs.chapters import Chapter, Mutant, stated, statements_of
from mapproof.proofs.notation import formula_lines
from mapproof.proofs.running.refutations import classify
from mapproof.proofs.solving.cores import core
from mapproof.proofs.solving.counterexamples import described
from mapproof.proofs.solving.mutants import check_mutant
from mapproof.proofs.solving.obligations import Result, prove
from mapproof.proofs.solving.queries import Obligation, Queries, Query, all_obligations
from mapproof.proofs.table.checks import Options, Progress
from mapproof.proofs.transition_system import Action, System
from mapproof.spec.evidence import Verdict

CLASS_SECONDS = 20.0
"""How long a refuted system is run, to say what the refutation amounts to."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The account, and the verdict on what it is about; a mutant that is caught as it should be is EXHAUSTED."""

    text: str
    verdict: Verdict


def explain(
    name: str, options: Options, *, timeout: float, progress: Progress = lambda text: None
) -> Explanation | None:
    """The account of `name`, or of `SYSTEM: name`; None when nothing is named so.

    `name` is a mutant's name, a statement's name or title, `ACTION/STATEMENT`, or an action's name. Raises
    `own_systems.SystemFileError`.
    """
    for chapter in _chapters(options):
        own = name.removeprefix(f"{chapter.system.name}: ")
        found = _explained(chapter, own, timeout, progress)
        if found is not None:
            return found
    return None


def _chapters(options: Options) -> tuple[Chapter, ...]:
    if options.target is not None:
        from mapproof.proofs.table.own_systems import load

        return load(options.target)
    from mapproof.proofs.systems import chapters

    return chapters()


def _explained(chapter: Chapter, name: str, timeout: float, progress: Progress) -> Explanation | None:
    system = chapter.system
    for mutant in (*chapter.mutants, *chapter.refuted):
        if mutant.name == name:
            return _mutant(mutant, timeout, progress)
    names = {made.title: made.name for made in stated(system)}
    statement = names.get(name, name)
    if statement in statements_of(system):
        asked = [o for o in all_obligations(system) if o.statement == statement]
        return _account(chapter, _statement_head(system, statement), asked, timeout, progress)
    action, _, rest = name.partition("/")
    if action not in system.actions and action != system.initial.name:
        return None
    statement = names.get(rest, rest)
    asked = [o for o in all_obligations(system) if o.action == action and statement in ("", o.statement)]
    if not asked:
        return None
    made = system.initial if action == system.initial.name else system.actions[action]
    head = [f"{system.name}: {name}", *_action_lines(made)]
    if statement:
        head += ["", *_statement_head(system, statement)[1:]]
    return _account(chapter, head, asked, timeout, progress)


# ------------------------------------------------------------------------------------------------ what it says


def _statement_head(system: System, statement: str) -> list[str]:
    title, words = described(system, statement)
    lines = [f"{system.name}: {title}" + (f"    ({statement})" if title != statement else "")]
    lines += [f"  {line}" for line in words.splitlines()]
    for formula in _formulas(system, statement):
        lines += ["", *(f"    {line}" for line in formula)]
    return lines


def _formulas(system: System, statement: str) -> Iterator[tuple[str, ...]]:
    """A statement has one formula; a claim one in each action that makes it."""
    yield from (formula_lines(made.formula) for made in stated(system) if made.name == statement)
    for action in (system.initial, *system.actions.values()):
        for claim in action.claims:
            if claim.title == statement:
                first, *rest = formula_lines(claim.formula)
                yield (f"{action.name}:  {first}", *(f"{'':{len(action.name)}}   {line}" for line in rest))


def _action_lines(action: Action) -> list[str]:
    parameters = ", ".join(f"{p.name}: {p.sort.__name__}" for p in action.parameters)
    guards = [line for guard in action.guards for line in formula_lines(guard)]
    lines = [f"  {action.name}({parameters})    {' '.join(action.words.split())}"]
    return [*lines, *(f"    when {guard}" for guard in guards)]


# ------------------------------------------------------------------------------------------------ what it rests on


def _account(
    chapter: Chapter, head: list[str], asked: list[Obligation], timeout: float, progress: Progress
) -> Explanation:
    system, queries = chapter.system, Queries(chapter.system)
    lines, verdicts, kept = [*head, ""], set[Verdict](), 0
    trouble: list[str] = []
    for obligation in asked:
        progress(str(obligation))
        (query,) = queries.of(obligation.action, {obligation.statement})
        if _is_assumed(query):
            verdicts.add(Verdict.PROVED)
            kept += 1
            continue
        result = _asked(system, obligation, timeout)
        verdicts.add(result.verdict)
        used = core(query, timeout=timeout) if result.verdict is Verdict.PROVED else None
        lines.append(_line(obligation, result, used))
        if result.counterexample is not None:
            trouble += ["", str(result.counterexample), "", _class(chapter, obligation)]
    if kept:
        lines.append(f"  PROVED           {kept} more: the action writes nothing that the statement reads")
    for verdict in (Verdict.REFUTED, Verdict.UNDECIDED):
        if verdict in verdicts:
            return Explanation("\n".join([*lines, *trouble]), verdict)
    return Explanation("\n".join(lines), Verdict.PROVED)


def _is_assumed(query: Query) -> bool:
    return any(query.goal.get_id() == held.get_id() for held in query.held.values())


def _asked(system: System, obligation: Obligation, timeout: float) -> Result:
    found = prove(system, timeout=timeout, actions=[obligation.action], statement=obligation.statement)
    return found.results[0]


def _line(obligation: Obligation, result: Result, used: tuple[str, ...] | None) -> str:
    line = f"  {result.verdict:9} {result.seconds:5.2f} s  {obligation}"
    if used is None:
        return line
    return f"{line}    uses {', '.join(used) or 'no other statement'}"


def _class(chapter: Chapter, obligation: Obligation) -> str:
    bound = chapter.bounds[0] if chapter.bounds else None
    return str(classify(chapter.system, obligation.statement, bound, seconds=CLASS_SECONDS))


# ------------------------------------------------------------------------------------------------ a mutant


def _mutant(mutant: Mutant, timeout: float, progress: Progress) -> Explanation:
    progress(mutant.name)
    original = mutant.original
    lines = [f"{original.name}, {mutant.name}"]
    for action in mutant.replaced:
        lines += ["", "  in place of", *_indented(_action_lines(original.actions[action.name]))]
        lines += ["  stands", *_indented(_action_lines(action))]
    check = check_mutant(mutant, timeout=timeout)
    for result in check.proof.results:
        if result.verdict is Verdict.REFUTED:
            title, _ = described(original, result.obligation.statement)
            lines += ["", f"  {result.verdict}  {result.obligation}    {title}"]
    if check.counterexample is not None:
        statement = mutant.statement or check.caught_by[0]
        lines += ["", str(check.counterexample), ""]
        lines.append(str(classify(mutant, statement, seconds=CLASS_SECONDS)))
    if check.verdict is Verdict.UNDECIDED:
        return Explanation("\n".join([*lines, "", "  UNDECIDED: out of time"]), Verdict.UNDECIDED)
    if not check.caught:
        lines += ["", "  PROVED: every obligation of the replaced actions holds"]
    if mutant.breaks is None:
        return Explanation("\n".join(lines), Verdict.EXHAUSTED)
    return Explanation("\n".join(lines), Verdict.EXHAUSTED if check.as_said else Verdict.FAILED)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]
