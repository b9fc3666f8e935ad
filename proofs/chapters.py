"""A chapter: one system, the wrong versions of it that its invariant must refuse, and how far it is also run.

The idea: what a reviewer is to believe of a system is collected in one value, so that the table of proofs, the
second prover, the exploration of states and the tests go over the same list, and none leaves a system out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from mapproof.proofs.terms import ModelError
from mapproof.proofs.transition_system import Action, Invariant, Lemma, StepProperty, System

Statement: TypeAlias = Invariant | Lemma | StepProperty | str
"""What can be broken: a statement of the system, or the title of a claim that an action makes."""


class Fault(Enum):
    """What a refuted obligation amounts to."""

    WRONG_ANSWER = "a reachable bug: a user gets a wrong answer"
    BROKEN_STATE = "a reachable bug: a state that breaks the design; no wrong answer within the bound"
    TOO_STRONG = "the invariant asks too much: nothing wrong is reachable within the bound"
    PERFORMANCE = "performance only"
    EQUIVALENT = "no fault: every obligation holds, or nothing differs within the bound"


@dataclass(frozen=True, slots=True)
class Bound:
    """The part of a system that is run state by state.

    `elements` says how many elements each sort has, by the sort's name, those with a name of their own included;
    `at_most` how often the named actions may happen in one run.
    """

    elements: Mapping[str, int]
    at_most: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        sizes = [f"{size} {name}" for name, size in self.elements.items()]
        limits = [f"{name} at most {times} times" for name, times in self.at_most.items()]
        return ", ".join([*sizes, *limits]) or "without a bound"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong version of `original`: `replaced` are actions under the names of those that they stand for.

    `breaks` is the statement that tells most of what is wrong, None for a version that is as good. `fault` is what
    it amounts to, and `bound` the smallest part of the system in which that was seen; both are tested.
    """

    name: str
    original: System
    replaced: tuple[Action, ...]
    breaks: Statement | None
    fault: Fault
    bound: Bound

    def __post_init__(self) -> None:
        if (self.breaks is None) != (self.fault is Fault.EQUIVALENT):
            raise ModelError(f"{self.name}: a mutant breaks a statement, or is said to be equivalent")
        if self.breaks is not None and self.statement not in statements_of(self.system):
            raise ModelError(f"{self.name}: {self.original.name} does not state {self.statement}")

    @property
    def statement(self) -> str:
        """The name of the statement that it breaks; empty for none."""
        if self.breaks is None or isinstance(self.breaks, str):
            return self.breaks or ""
        return self.breaks.name

    @property
    def system(self) -> System:
        """The wrong system."""
        return self.original.with_actions(f"{self.original.name}, {self.name}", self.replaced)


def stated(system: System) -> tuple[Invariant | Lemma | StepProperty, ...]:
    """All that is stated of a system and has a name and words of its own, in the order of the reports."""
    return (*system.invariants.values(), *system.lemmas.values(), *system.step_properties.values())


def claims_of(system: System) -> tuple[str, ...]:
    """The titles of all claims, those of the initial condition among them."""
    return tuple(dict.fromkeys((*(claim.title for claim in system.initial.claims), *system.claims)))


def check_titles(system: System) -> None:
    """Raise `ModelError` when a claim is titled as a statement is named: one of the two would not be shown."""
    if twice := {*claims_of(system)} & {made.name for made in stated(system)}:
        raise ModelError(f"{system.name}: {min(twice)} is the name of a statement and the title of a claim")


def statements_of(system: System) -> frozenset[str]:
    """The names of all that is stated of a system, and the titles of its claims."""
    return frozenset((*system.invariants, *system.lemmas, *system.step_properties, *claims_of(system)))


@dataclass(frozen=True, slots=True)
class Chapter:
    """What is known of one system. `bounds` are parts that are run to exhaustion beside the proof, smallest first.

    `refuted` are claims about the system that are false: each is a mutant whose replaced steps are the right ones but
    for what they claim, or are a repair that is none. The run that its fault is seen in is the refutation.
    """

    system: System
    mutants: tuple[Mutant, ...]
    bounds: tuple[Bound, ...]
    refuted: tuple[Mutant, ...] = ()
