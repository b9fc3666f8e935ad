"""All that a file needs to write down a system of its own: `from mapproof.proofs.language import *`.

The idea: the words of the language stand in two modules, what may be said of a state in `terms` and what a system
is made of in `transition_system`; who reads or writes a system should not have to know which is where.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Fault, Mutant
from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Field,
    Globals,
    If,
    Int,
    Sort,
    Table,
    after,
    all_of,
    any_of,
    claim,
    count,
    everywhere,
    forall,
    implies,
    one_of,
    when,
)
from mapproof.proofs.transition_system import (
    Action,
    System,
    action,
    actions_in,
    invariant,
    invariants_in,
    lemma,
    lemmas_in,
    step_properties_in,
    step_property,
    system,
)

__all__ = [
    "Action",
    "Bool",
    "Bound",
    "Enumeration",
    "Fault",
    "Field",
    "Globals",
    "If",
    "Int",
    "Mutant",
    "Sort",
    "System",
    "Table",
    "action",
    "actions_in",
    "after",
    "all_of",
    "any_of",
    "claim",
    "count",
    "everywhere",
    "forall",
    "implies",
    "invariant",
    "invariants_in",
    "lemma",
    "lemmas_in",
    "one_of",
    "step_properties_in",
    "step_property",
    "system",
    "when",
]
