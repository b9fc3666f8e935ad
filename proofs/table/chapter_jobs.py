"""The jobs of one chapter: its statements, its steps, its mutants, its runs, and the second prover.

The idea: a statement of an inductive invariant is worth nothing alone, for each rests on the others; so the
whole system is asked once, and a statement is PROVED only when all of it was. What holds by itself while
another statement fails is UNDECIDED. The proof is kept, so that all statements share it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING

from mapproof.proofs.chapters import Chapter, Fault, Mutant, claims_of, stated
from mapproof.proofs.solving.deadline import Deadline
from mapproof.proofs.table.checks import Answer, Job, Options, Part, Progress
from mapproof.proofs.transition_system import System
from mapproof.spec.evidence import Verdict

if TYPE_CHECKING:
    from mapproof.proofs.solving.obligations import Proof

MOST_STATES = 20_000
"""How many states of a chapter are run beside its proof; the whole of its bounds is for a target of its own."""

CLASS_SECONDS = 10.0
"""The most that a refuted system is run, to say what that amounts to; and a mutant, to see that it is as good."""

_SECOND_PROVER_TIMES = 5
"""How much longer than Z3 cvc5 may take for a system."""

_STATEMENTS_COST, _CVC5_COST, _MUTANT_COST = 0.004, 0.015, 0.3
"""About how many seconds: for an obligation put to Z3, for one put to cvc5, for a mutant."""


def jobs_of(chapter: Chapter, options: Options) -> tuple[Job, ...]:
    """Everything that is shown of a chapter. `SYSTEM: TITLE` names a statement."""
    system, name = chapter.system, chapter.system.name
    obligations = (len(system.actions) + 1) * (len(system.invariants) + len(system.step_properties))
    jobs = [
        Job(
            f"{name}: {title}",
            words,
            ("z3",),
            partial(_statement, chapter, names, options.one_by_one),
            Part.STATEMENT,
            f"{name}: {Part.STATEMENT}",
            _STATEMENTS_COST * obligations,
        )
        for title, words, names in _statements(system)
    ]

    def add(part: Part, words: str, needs: tuple[str, ...], cost: float, check: partial[Answer]) -> None:
        jobs.append(Job(f"{name}: {part}", words, needs, check, part, f"{name}: {part}", cost))

    words = "Each step's guards can hold together with the invariant, or the step is shown to be dead."
    add(Part.STEPS, words, ("z3",), 0.02 * len(system.actions), partial(_steps, system))
    if chapter.mutants:
        words = "With one line of the algorithm wrong, the statement that is said to break breaks."
        add(
            Part.MUTANTS,
            words,
            ("z3",),
            _MUTANT_COST * len(chapter.mutants),
            partial(_mutants, chapter.mutants),
        )
    if chapter.bounds:
        words = "Run state by state over a few elements, every statement holds in every state reached."
        add(Part.RUNS, words, (), 2.0, partial(_runs, chapter))
    if chapter.refuted:
        words = "Each of these claims about the system is false: the shortest run that shows it is run."
        add(Part.REFUTED, words, (), 0.5, partial(_refuted, chapter.refuted))
    if options.second_prover:
        words = "cvc5 finds every obligation of the system to hold, as Z3 does."
        add(
            Part.SECOND,
            words,
            ("z3", "cvc5"),
            _CVC5_COST * obligations,
            partial(_second_prover, system, options),
        )
    return tuple(jobs)


def _statements(system: System) -> list[tuple[str, str, list[str]]]:
    """The title, the words and the names of each statement; a title that is used twice stands for both."""
    made = [(i.title, " ".join(i.words.split()), i.name) for i in stated(system)]
    made += [(title, f"Claimed by the step that it is about: {title}.", title) for title in claims_of(system)]
    by_title: dict[str, tuple[str, str, list[str]]] = {}
    for title, words, name in made:
        by_title.setdefault(title, (title, words, []))[2].append(name)
    return list(by_title.values())


# ------------------------------------------------------------------------------------------------ statements


_proofs: dict[tuple[System, bool], tuple[float, Proof]] = {}


def proof_of(
    system: System, timeout: float, progress: Progress = lambda text: None, *, one_by_one: bool = False
) -> Proof:
    """The proof that all statements share: asked again only when there is more time than it had in vain."""
    from mapproof.proofs.solving.obligations import prove

    had, proof = _proofs.get((system, one_by_one), (-1.0, None))
    if proof is None or (proof.verdict is Verdict.UNDECIDED and timeout > had):
        proof = prove(system, timeout=timeout, batched=not one_by_one, progress=progress)
        _proofs[system, one_by_one] = timeout, proof
    return proof


def _statement(
    chapter: Chapter, names: list[str], one_by_one: bool, timeout: float, progress: Progress
) -> Answer:
    answer = judge(
        proof_of(chapter.system, timeout, progress, one_by_one=one_by_one), names, chapter.system.scope
    )
    if answer.verdict is not Verdict.REFUTED:
        return answer
    progress("running the system, to say what the refutation amounts to")
    return replace(answer, counterexample=f"{answer.counterexample}\n\n{_class(chapter, names[0])}")


def _class(chapter: Chapter, statement: str) -> str:
    from mapproof.proofs.running.refutations import classify

    bound = chapter.bounds[0] if chapter.bounds else None
    return str(classify(chapter.system, statement, bound, seconds=CLASS_SECONDS, most_states=MOST_STATES))


def judge(whole: Proof, statements: Iterable[str], scope: str) -> Answer:
    """What the proof of a whole system says of one of its statements, which may go by several names."""
    from mapproof.proofs.solving.obligations import Proof

    own = Proof(tuple(result for name in statements for result in whole.of(name).results))
    answer = partial(
        Answer,
        obligations=len(own.results),
        by=("Z3",),
        seconds=own.seconds,
        slowest=own.slowest.query_seconds if own.slowest else 0.0,
    )
    number = f"{len(own.results)} obligation{'s' * (len(own.results) != 1)}"
    if own.verdict is Verdict.REFUTED:
        refuted = len(own.counterexamples())
        text = "\n\n".join(map(str, own.counterexamples()))
        return answer(Verdict.REFUTED, scope, text, brief=f"{number}, {refuted} refuted")
    if whole.verdict is Verdict.PROVED and own.verdict is Verdict.PROVED:
        return answer(Verdict.PROVED, scope, brief=number)
    reason = (
        "out of time" if own.verdict is Verdict.UNDECIDED else "a statement that it rests on is not proved"
    )
    return answer(Verdict.UNDECIDED, f"{scope}; {reason}", brief=f"{number}; {reason}")


# ------------------------------------------------------------------------------------------------ what a proof is worth


def _steps(system: System, timeout: float, progress: Progress) -> Answer:
    from mapproof.proofs.solving.obligations import vacuity

    found = vacuity(system, timeout=timeout)
    scope = f"{len(found.possible)} of {len(system.actions)} steps"
    if found.dead:
        scope += f"; shown to be dead: {', '.join(found.dead)}"
    if found.undecided:
        scope += f"; out of time: {', '.join(found.undecided)}"
    wrong = [f"{name}: its guards contradict the invariant" for name in found.impossible]
    wrong += [f"{name}: declared dead, and can happen" for name in found.alive_after_all]
    reasons = tuple(f"{name} is dead: {system.actions[name].dead}" for name in found.dead)
    return Answer(found.verdict, scope, "\n".join(wrong), details=reasons, by=("Z3",))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a mutant: CAUGHT and ALIKE are as they should be. `line` says it in one line."""

    kind: _Kind
    line: str


class _Kind(Enum):
    CAUGHT = auto()
    ALIKE = auto()
    WRONG = auto()
    OPEN = auto()


def _mutants(mutants: tuple[Mutant, ...], timeout: float, progress: Progress) -> Answer:
    deadline, outcomes = Deadline(timeout), list[_Outcome]()
    for mutant in mutants:
        progress(mutant.name)
        outcomes.append(_outcome(mutant, deadline))
    of = {kind: [o.line for o in outcomes if o.kind is kind] for kind in _Kind}
    brief = f"caught {len(of[_Kind.CAUGHT])} of {sum(mutant.breaks is not None for mutant in mutants)}"
    if of[_Kind.ALIKE]:
        brief += f", {len(of[_Kind.ALIKE])} as good as the original"
    lines = tuple(outcome.line for outcome in outcomes)
    answer = partial(Answer, brief=brief, details=lines, by=("Z3",))
    scope = f"{brief}: {'; '.join(lines)}"
    if of[_Kind.WRONG]:
        return answer(Verdict.FAILED, scope, "\n".join(of[_Kind.WRONG]))
    return answer(Verdict.UNDECIDED if of[_Kind.OPEN] else Verdict.EXHAUSTED, scope)


def _outcome(mutant: Mutant, deadline: Deadline) -> _Outcome:
    from mapproof.proofs.solving.mutants import check_mutant

    check = check_mutant(mutant, timeout=deadline.remaining())
    at = check.counterexample
    where = f"{at.action} breaks {at.statement}" if at else ""
    if check.verdict is Verdict.UNDECIDED:
        return _Outcome(_Kind.OPEN, f"{mutant.name}: out of time")
    if mutant.breaks is None:
        if check.verdict is Verdict.PROVED:
            return _Outcome(_Kind.ALIKE, f"{mutant.name}: proved, as the original is")
        return _run_through(mutant, where, deadline)
    if not check.caught:
        return _Outcome(_Kind.WRONG, f"still proved: {mutant.name}")
    if not check.as_said:
        return _Outcome(_Kind.WRONG, f"{mutant.name}: {where}, and was said to break {mutant.statement}")
    return _Outcome(_Kind.CAUGHT, f"{mutant.name}: {where} ({mutant.fault.value})")


def _run_through(mutant: Mutant, where: str, deadline: Deadline) -> _Outcome:
    """A mutant that is said to be as good, and is not proved: all its states within its bound are looked at."""
    from mapproof.proofs.running.refutations import equivalent

    found = equivalent(mutant, seconds=min(CLASS_SECONDS, deadline.remaining()))
    if found.fault is Fault.EQUIVALENT:
        line = f"{mutant.name}: {where}, and nothing is wrong in all {found.states:,} states of {found.bound}"
        return _Outcome(_Kind.ALIKE, line)
    if found.fault is None:
        return _Outcome(_Kind.OPEN, f"{mutant.name}: {where}; the search was not finished")
    return _Outcome(_Kind.WRONG, f"{mutant.name}: {where}, and was said to be as good; {found.fault.value}")


# ------------------------------------------------------------------------------------------------ runs


def _runs(chapter: Chapter, timeout: float, progress: Progress) -> Answer:
    """A number of states, not of seconds, ends the run: two runs of the kit say the same."""
    from mapproof.proofs.running.exploration import explore, machine_within, rendered
    from mapproof.proofs.running.refutations import title_of

    bound = chapter.bounds[0]
    machine = machine_within(chapter.system, bound)
    found = explore(machine, most_states=MOST_STATES, seconds=timeout, symmetric=True)
    if found.broken:
        steps = rendered(machine, found.trace).splitlines()
        broken = (f"breaks  {title_of(chapter.system, name)}" for name in found.broken)
        run = "\n".join([*(f"{number:3}  {step}" for number, step in enumerate(steps, 1)), *broken])
        return Answer(Verdict.FAILED, str(bound), run, by=("Python",))
    if found.exhausted:
        scope = f"{bound}: all {found.states:,} states, up to the names of the elements"
        return Answer(Verdict.EXHAUSTED, scope, by=("Python",))
    if found.states >= MOST_STATES:
        scope = f"{bound}: the first {found.states:,} states, up to the names of the elements"
        return Answer(Verdict.SAMPLED, scope, by=("Python",))
    return Answer(Verdict.UNDECIDED, f"{bound}; out of time", by=("Python",))


def _refuted(claims: tuple[Mutant, ...], timeout: float, progress: Progress) -> Answer:
    from mapproof.proofs.table.refuted_claims import refuted

    return refuted(claims, timeout, progress)


# ------------------------------------------------------------------------------------------------ the second prover


def _second_prover(system: System, options: Options, timeout: float, progress: Progress) -> Answer:
    from mapproof.proofs.solving.second_prover import recheck

    found = recheck(
        system,
        timeout=_SECOND_PROVER_TIMES * timeout,
        directory=options.directory,
        progress=progress,
    )
    brief = f"{len(found.confirmed)} obligations; {found.proofs} of its proofs checked by its own checker"
    if open_ends := [*map(str, found.undecided), *(f"{o} (its proof)" for o in found.unproved)]:
        brief += f"; no answer: {', '.join(open_ends[:3])}{' ...' * (len(open_ends) > 3)}"
    wrong = "\n".join(f"{name}: cvc5 finds a state where Z3 finds none" for name in found.contradicted)
    details = tuple(f"no answer: {name}" for name in open_ends)
    return Answer(found.verdict, f"{system.scope}; {brief}", wrong, brief, details, by=("cvc5",))
