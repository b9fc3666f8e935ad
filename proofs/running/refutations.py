"""What a refuted obligation amounts to: a wrong answer, a broken state, or an invariant that asks too much.

The idea: a counterexample to induction starts in a state that perhaps no run reaches. So the system is run from its
initial state, over a few elements, breadth first, past everything that breaks until a claim does: what a user gets to
see. What was found on the way, or that nothing was in all states within the bound, is the class of the refutation.
A budget that ended first is no class.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from mapproof.proofs.chapters import Bound, Fault, Mutant
from mapproof.proofs.running.exploration import Exploration, Trace, explore, machine_within, rendered
from mapproof.proofs.transition_system import System

MOST_STATES = 4_000_000
"""About 4 GB: a search that has not ended by then is given up."""


@dataclass(frozen=True, slots=True)
class Refutation:
    """The class of a refuted `statement`, and its evidence.

    `fault` is None where the search was not finished, which says nothing but what was run. `broken` is what the last
    step of `trace` breaks, the shortest run to something so bad; both are empty where nothing broken is reachable.
    `states` counts the states looked at, those that differ only in the names of elements once.
    """

    system: System
    statement: str
    bound: Bound
    fault: Fault | None
    broken: tuple[str, ...]
    trace: Trace
    states: int
    exhausted: bool

    def __str__(self) -> str:
        """A few lines: the class, what was run, and the run that shows it, a line a step."""
        lines = [self.fault.value if self.fault else "not classed: the search was not finished"]
        if self.broken:
            lines += [f"breaks  {title_of(self.system, name)}" for name in self.broken]
        else:
            lines.append("nothing is broken in any state that was reached")
        extent = "all" if self.exhausted else "the first"
        lines.append(
            f"run     {extent} {self.states:,} states, up to renaming, from one initial state; {self.bound}"
        )
        if self.trace:
            lines.append(f"shortest run that breaks it, {len(self.trace)} steps:")
            story = rendered(machine_within(self.system, self.bound), self.trace)
            lines += [f"  {number:3}  {line}" for number, line in enumerate(story.splitlines(), 1)]
        return "\n".join(lines)


def classify(
    subject: Mutant | System,
    statement: str,
    bound: Bound | None = None,
    *,
    seconds: float,
    most_states: int = MOST_STATES,
) -> Refutation:
    """Run a system of which `statement` was refuted, within the bound and the time.

    Where no bound is given, a mutant has its own; of any other system larger and larger parts are run while there is
    time, and the answer is that of the largest one that was finished.

    WRONG_ANSWER when a claim is reached that is false. Where every state within the bound was reached without one:
    BROKEN_STATE when an invariant, lemma or property of steps is broken, PERFORMANCE when all broken ones are marked
    so, TOO_STRONG when none is. Raises `ModelError` when the bound does not fit the system.
    """
    system = subject.system if isinstance(subject, Mutant) else subject
    if isinstance(subject, Mutant) and bound is None:
        bound = subject.bound
    deadline = time.monotonic() + seconds
    best: Refutation | None = None
    for within in (bound,) if bound else _small_bounds(system):
        found = _classified(system, statement, within, deadline - time.monotonic(), most_states)
        if best is None or found.exhausted or found.fault is Fault.WRONG_ANSWER:
            best = found
        if not found.exhausted:
            break
    assert best is not None
    return best


def _classified(system: System, statement: str, bound: Bound, seconds: float, most_states: int) -> Refutation:
    machine = machine_within(system, bound)
    found = explore(machine, most_states=most_states, seconds=seconds, symmetric=True, until_claim=True)
    broken, trace = _worst(system, found)
    fault = _fault(system, found, broken)
    return Refutation(system, statement, bound, fault, broken, trace, found.states, found.exhausted)


def _small_bounds(system: System) -> list[Bound]:
    """One, two and three elements of each sort beside those that the system names."""
    return [Bound({sort.__name__: len(sort.named) + more for sort in system.sorts}) for more in (1, 2, 3)]


def equivalent(mutant: Mutant, bound: Bound | None = None, *, seconds: float) -> Refutation:
    """Whether a mutant is as good as its original: EQUIVALENT when all its states within the bound were reached, and
    nothing that is stated is false there. Anything else is what `classify` says."""
    found = classify(mutant, mutant.statement, bound, seconds=seconds)
    return replace(found, fault=Fault.EQUIVALENT) if found.fault is Fault.TOO_STRONG else found


def title_of(system: System, statement: str) -> str:
    """What a reader knows a statement by; a claim is its own title."""
    for stated in (system.invariants, system.lemmas, system.step_properties):
        if statement in stated:
            return stated[statement].title
    return statement


def _worst(system: System, found: Exploration) -> tuple[tuple[str, ...], Trace]:
    """The worst that was found broken, and the shortest run to it: a claim, else more than performance."""
    runs = found.runs
    claims = [name for name in runs if name in system.claims]
    bad = claims or [name for name in runs if not _is_performance(system, name)] or list(runs)
    if not bad:
        return (), ()
    trace = min((runs[name] for name in bad), key=len)
    return tuple(name for name in bad if runs[name] == trace), trace


def _fault(system: System, found: Exploration, broken: tuple[str, ...]) -> Fault | None:
    if set(broken) & set(system.claims):
        return Fault.WRONG_ANSWER
    if not found.exhausted:
        return None
    if not broken:
        return Fault.TOO_STRONG
    return Fault.PERFORMANCE if all(_is_performance(system, name) for name in broken) else Fault.BROKEN_STATE


def _is_performance(system: System, name: str) -> bool:
    made = system.invariants.get(name)
    return made is not None and made.performance
