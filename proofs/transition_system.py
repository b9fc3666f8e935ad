"""Transition systems: an initial condition, actions and an invariant, each written once.

The idea: an action is one atomic step of the code. All of it, guards, right-hand sides and claims, reads the
state before the step, and all its assignments happen together; a field that was assigned may not be read
again in the same action, so reading the lines in their order means the same. What an action does not assign
stays as it was. There is nothing else to state: no frame conditions, no primed names.

    @action
    def try_swap_cas(t: Thread) -> None:
        \"\"\"e.p.CompareAndSwap(p, i) succeeds\"\"\"
        when(t.pc == PC.TRY_SWAP_CAS, t.entry.p == t.loaded)
        t.entry.p = t.value
        t.pc = PC.RETURN
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import get_type_hints, overload

from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Globals,
    ModelError,
    Sort,
    Term,
    TermUsedAsTruth,
    as_terms,
    formula,
    recording,
)
from mapproof.proofs.tree import Claim, Function, Node, Variable, Write


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """One atomic step: where `guards` hold it can happen, for any choice of the parameters.

    `words` is the line of code that it stands for. `dead` is the reason why the step can never happen, when
    that is so; it is checked.
    """

    name: str
    words: str
    parameters: tuple[Variable, ...]
    guards: tuple[Node, ...]
    writes: tuple[Write, ...]
    claims: tuple[Claim, ...]
    dead: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Invariant:
    """A statement that holds in every reachable state: a title for reports, a sentence in words, a formula.

    `performance` marks one whose failure makes no answer wrong: it says that something is not done too often.
    """

    name: str
    title: str
    words: str
    formula: Node
    performance: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Lemma:
    """A statement that follows from the invariant in any state: shown of it, never assumed."""

    name: str
    title: str
    words: str
    formula: Node


@dataclass(frozen=True, slots=True, eq=False)
class StepProperty:
    """A statement that every step from a state of the invariant keeps; it speaks of both states (`after`)."""

    name: str
    title: str
    words: str
    formula: Node


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """A transition system. `initial` is an action that turns any state whatever into an initial one.

    What the formulas in `background` look at is shown in every counterexample.
    """

    name: str
    scope: str
    state: tuple[type[Sort | Globals], ...]
    initial: Action
    actions: Mapping[str, Action]
    invariants: Mapping[str, Invariant]
    background: tuple[Node, ...] = ()
    lemmas: Mapping[str, Lemma] = field(default_factory=dict)
    step_properties: Mapping[str, StepProperty] = field(default_factory=dict)

    @property
    def functions(self) -> tuple[Function, ...]:
        """Every state function, in the order in which the state was written down."""
        return tuple(function for part in self.state for function in part.functions)

    @property
    def sorts(self) -> tuple[type[Sort], ...]:
        """The sorts with any number of elements."""
        return tuple(part for part in self.state if issubclass(part, Sort))

    @property
    def enumerations(self) -> tuple[type[Enumeration], ...]:
        """The sorts with labels that the state functions and the parameters use."""
        variables = [variable.sort for action in self.actions.values() for variable in action.parameters]
        used = [sort for f in self.functions for sort in (f.result, *f.arguments)] + variables
        return tuple(dict.fromkeys(sort for sort in used if issubclass(sort, Enumeration)))

    @property
    def observation(self) -> Action:
        """The step that changes nothing and claims the lemmas: what is shown of any state of the invariant."""
        claims = tuple(Claim(made.name, made.formula) for made in self.lemmas.values())
        return Action("any state", "nothing happens", (), (), (), claims)

    @property
    def claims(self) -> tuple[str, ...]:
        """The titles of all claims made in actions, each once."""
        return tuple(dict.fromkeys(c.title for action in self.actions.values() for c in action.claims))

    def with_actions(self, name: str, actions: Iterable[Action]) -> System:
        """The same system, renamed, with the actions of the same names replaced."""
        new = {made.name: made for made in actions}
        if unknown := new.keys() - self.actions.keys():
            raise ModelError(f"{self.name} has no action {', '.join(sorted(unknown))} to replace")
        return replace(self, name=name, actions={**self.actions, **new})

    def with_invariants(self, name: str, invariants: Iterable[Invariant]) -> System:
        """The same system, renamed, with these invariants in place of its own."""
        return replace(self, name=name, invariants={made.name: made for made in invariants})


def system(
    name: str,
    *,
    scope: str,
    state: Iterable[type[Sort | Globals]],
    initial: Action,
    actions: Iterable[Action],
    invariants: Iterable[Invariant],
    background: Iterable[Invariant] = (),
    lemmas: Iterable[Lemma] = (),
    step_properties: Iterable[StepProperty] = (),
) -> System:
    """Put a system together. Raises `ModelError` when fields run in a circle of sorts, or names are not different."""
    parts, steps, statements = tuple(state), tuple(actions), tuple(invariants)
    following, kept = tuple(lemmas), tuple(step_properties)
    _check_stratified(parts)
    _check_different(made.name for made in (initial, *steps))
    _check_different([*(i.name for i in statements), *(i.name for i in following), *(p.name for p in kept)])
    return System(
        name,
        scope,
        parts,
        initial,
        {made.name: made for made in steps},
        {made.name: made for made in statements},
        tuple(made.formula for made in background),
        {made.name: made for made in following},
        {made.name: made for made in kept},
    )


def _check_different(names: Iterable[str]) -> None:
    """Two actions of one name would be one action less to prove."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ModelError(f"{name} is defined {times} times")


def _check_stratified(state: tuple[type[Sort | Globals], ...]) -> None:
    """Functions between unbounded sorts may not run in a circle: that is what keeps the questions decidable."""
    leads_to: dict[type[Term], set[type[Term]]] = {}
    for part in state:
        for function in part.functions:
            for sort in (function.result, *function.arguments):
                if issubclass(sort, Sort) and sort not in state:
                    raise ModelError(f"{function.name} uses {sort.__name__}, which is not part of the state")
            for sort in function.arguments:
                if issubclass(function.result, Sort):
                    leads_to.setdefault(sort, set()).add(function.result)
    try:
        TopologicalSorter(leads_to).prepare()
    except CycleError as error:
        circle = " -> ".join(sort.__name__ for sort in error.args[1])
        raise ModelError(f"the fields run in a circle of sorts: {circle}") from None


@overload
def action(body: Callable[..., None], /) -> Action: ...
@overload
def action(
    *, name: str | None = None, dead: str | None = None
) -> Callable[[Callable[..., None]], Action]: ...
def action(
    body: Callable[..., None] | None = None, /, *, name: str | None = None, dead: str | None = None
) -> Action | Callable[[Callable[..., None]], Action]:
    """Make an `Action` of a function whose annotated parameters are sorts; see the module's own words.

    `name` is for a function that cannot bear the action's name, such as a second version of it.
    """
    if body is None:
        return lambda really: _recorded(really, name, dead)
    return _recorded(body, name, dead)


def _recorded(body: Callable[..., None], name: str | None, dead: str | None) -> Action:
    hints = get_type_hints(body)
    parameters = tuple(Variable(hints[name], name) for name in inspect.signature(body).parameters)
    with recording() as said:
        try:
            body(*as_terms(parameters))
        except (ModelError, TermUsedAsTruth) as error:
            raise type(error)(f"in {name or body.__name__}: {error}").with_traceback(
                error.__traceback__
            ) from None
    words = inspect.cleandoc(body.__doc__ or "")
    return Action(
        name or body.__name__,
        words,
        parameters,
        tuple(said.guards),
        tuple(said.writes),
        tuple(said.claims),
        dead,
    )


def invariant(title: str, *, performance: bool = False) -> Callable[[Callable[[], Bool]], Invariant]:
    """Make an `Invariant` of a function without parameters; its docstring is the sentence in words."""
    return lambda body: Invariant(body.__name__, title, _words(body), formula(body()), performance)


def lemma(title: str) -> Callable[[Callable[[], Bool]], Lemma]:
    """Make a `Lemma` of a function, as `invariant` does."""
    return lambda body: Lemma(body.__name__, title, _words(body), formula(body()))


def step_property(title: str) -> Callable[[Callable[[], Bool]], StepProperty]:
    """Make a `StepProperty` of a function, as `invariant` does; what comes later stands in `after(...)`."""
    return lambda body: StepProperty(body.__name__, title, _words(body), formula(body()))


def _words(body: Callable[[], Bool]) -> str:
    words = inspect.cleandoc(body.__doc__ or "")
    if not words:
        raise ModelError(f"{body.__name__} has no sentence in words")
    return words


def actions_in(namespace: Mapping[str, object]) -> tuple[Action, ...]:
    """The actions that a module defines, in its order; `initial` is not one of them."""
    return tuple(made for name, made in namespace.items() if isinstance(made, Action) and name != "initial")


def invariants_in(namespace: Mapping[str, object]) -> tuple[Invariant, ...]:
    """The invariants that a module defines, in its order."""
    return tuple(made for made in namespace.values() if isinstance(made, Invariant))


def lemmas_in(namespace: Mapping[str, object]) -> tuple[Lemma, ...]:
    """The lemmas that a module defines, in its order."""
    return tuple(made for made in namespace.values() if isinstance(made, Lemma))


def step_properties_in(namespace: Mapping[str, object]) -> tuple[StepProperty, ...]:
    """The properties of steps that a module defines, in its order."""
    return tuple(made for made in namespace.values() if isinstance(made, StepProperty))
