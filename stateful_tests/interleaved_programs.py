"""What a concurrent run of a state machine does: the rules of each thread with their arguments, drawn by Hypothesis.

The idea: a program is drawn whole before it runs at once, as the same program must run in many schedules. What a rule
of it will answer is not known then, so a value out of a Bundle is drawn as a `Reference`, its name, and looked up when
the rule runs. A thread may refer to what was made before the threads began and to what it makes itself: of nothing
else is it certain that it exists in time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument, InvalidDefinition
from hypothesis.stateful import (
    INITIALIZE_RULE_MARKER,
    INVARIANT_MARKER,
    RULE_MARKER,
    Bundle,
    RuleBasedStateMachine,
)

from mapproof.spec.operations import Op
from mapproof.stateful_tests.scenarios import Call, Scenario

T = TypeVar("T")

OBSERVER_MARKER = "mapproof_observer"
STEP_INVARIANT_MARKER = "mapproof_step_invariant"

MOST_BEFORE = 5
MOST_OF_A_THREAD = 3
MOST_TOGETHER = 8
"""So many rules that all orders of them can be run, if need be: 2,520 for four threads of two rules."""
MOST_THREADS = 4
MOST_AFTER = 2

BEFORE = 0
AFTER = MOST_THREADS + 1
"""As a thread's number: who made a value, and who may use it."""


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """A method of the machine that may be a step of a program; `targets` are the bundles that its answer goes to."""

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, st.SearchStrategy[Any]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    preconditions: tuple[Callable[[Any], bool], ...] = ()

    @property
    def bundles(self) -> Iterator[Bundle[Any]]:
        """Those that its arguments are drawn from."""
        return (strategy for strategy in self.arguments.values() if isinstance(strategy, Bundle))

    def allowed(self, machine: Any) -> bool:
        """Whether all preconditions hold in the state that the machine is in."""
        return all(precondition(machine) for precondition in self.preconditions)


@dataclass(frozen=True, slots=True)
class Actions:
    """The methods of a machine by what they are for. `together` may run at once with others, `rules` are all."""

    initialize: tuple[Action, ...]
    rules: tuple[Action, ...]
    together: tuple[Action, ...]
    observers: tuple[Action, ...]
    invariants: tuple[Action, ...]
    step_invariants: tuple[Action, ...]


def actions_of(machine: type[RuleBasedStateMachine]) -> Actions:
    """What the class declares. Raises InvalidDefinition if nothing of it can run at once."""
    members = [function for _, function in inspect.getmembers(machine) if callable(function)]
    rules = tuple(sorted(_marked(members, RULE_MARKER), key=_simplest_first))
    if not rules:
        raise InvalidDefinition(f"{machine.__name__} defines no rules")
    together = tuple(rule for rule in rules if not rule.preconditions)
    if not together:
        raise InvalidDefinition(
            f"every rule of {machine.__name__} has a @precondition, and so none can run at once with others: what "
            "held when a rule began may not hold a step later; let the rule itself look, and answer what it found"
        )
    return Actions(
        initialize=tuple(_marked(members, INITIALIZE_RULE_MARKER)),
        rules=rules,
        together=together,
        observers=tuple(_plain(members, OBSERVER_MARKER)),
        invariants=tuple(_marked(members, INVARIANT_MARKER)),
        step_invariants=tuple(_plain(members, STEP_INVARIANT_MARKER)),
    )


def _marked(members: list[Any], marker: str) -> Iterator[Action]:
    """What Hypothesis's decorators wrote on the methods."""
    for member in members:
        found = getattr(member, marker, None)
        if found is not None:
            yield Action(
                found.function.__name__,
                found.function,
                getattr(found, "arguments", {}),
                tuple(getattr(found, "targets", ())),
                tuple(found.preconditions),
            )


def _plain(members: list[Any], marker: str) -> Iterator[Action]:
    return (Action(found.__name__, found) for found in members if getattr(found, marker, False))


def _simplest_first(rule: Action) -> tuple[Any, ...]:
    """Hypothesis shrinks a choice towards the front."""
    return len(rule.arguments), rule.targets, rule.name


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of a value that a rule makes, as it stands in a program."""

    name: str

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Step(Call):
    """One rule to run. `given` are its arguments by name; what it answers is known as each name of `makes`."""

    action: Action = field(kw_only=True)
    given: tuple[tuple[str, Any], ...] = ()
    makes: tuple[str, ...] = ()

    def __str__(self) -> str:
        made = "".join(f"{name} = " for name in self.makes)
        return f"{made}{self.op}({', '.join(f'{name}={value!r}' for name, value in self.given)})"


def step(action: Action, given: Mapping[str, Any] | None = None, makes: tuple[str, ...] = ()) -> Step:
    """For a model the argument called `key`, if there is one, is the operation's key."""
    given = given or {}
    args = tuple(value for name, value in given.items() if name != "key")
    # A call of a map names one of its eleven operations; here it is the name of any rule.
    op: Op = action.name  # type: ignore[assignment]
    return Step(op, given.get("key"), args, action=action, given=tuple(given.items()), makes=makes)


@dataclass(frozen=True, slots=True)
class Search:
    """`plan` names one of `explorer.plan`; `effort` times as many schedules are run as the machine says."""

    plan: str
    seed: int
    effort: int


PLANS = ("auto", "auto", "pct3", "urw", "pct4", "pos", "surw", "random")
"""Half of what `auto` runs are the simplest schedules; the others take chances of all kinds."""

EFFORTS = (5, *(1,) * 15)
"""The simplest is the greatest, so that what is shrunk is searched thoroughly."""

SEARCHES = st.builds(Search, st.sampled_from(PLANS), st.integers(0, 0xFFFF), st.sampled_from(EFFORTS))


@dataclass(frozen=True, slots=True)
class Program:
    """What is run, and the `search` for a schedule in which it fails."""

    scenario: Scenario
    search: Search

    def __repr__(self) -> str:
        threads = " | ".join("; ".join(map(str, thread)) for thread in self.scenario.threads)
        before = "; ".join(map(str, self.scenario.setup))
        after = "; ".join(map(str, self.scenario.observers))
        return f"<{before} [{threads}] {after}, {self.search}>"


@dataclass(slots=True)
class _Made:
    """A value that some step makes, and the threads that use it."""

    name: str
    by: int
    users: set[int] = field(default_factory=set)


Tried = Callable[[tuple[Step, ...]], Any]
"""Runs these steps one after the other on a new machine: the machine at rest, or None if the last step waits for
ever. Raises Broken if they fail."""


class Broken(Exception):
    """The steps fail although nothing runs at once."""


@st.composite
def programs(draw: st.DrawFn, actions: Actions, tried: Tried, most_before: int = MOST_BEFORE) -> Program:
    """Programs for a machine. They shrink to fewer threads and rules, and to the simplest search."""
    search = draw(SEARCHES)
    drawing = _Drawing(draw, actions)
    try:
        setup = drawing.before(tried, most_before)
    except Broken as broken:
        return Program(Scenario(broken.args[0], (), ()), search)
    return Program(Scenario(setup, drawing.together(), drawing.after()), search)


# To make a strategy costs more than to draw from it, so none is made while drawing.

_MORE = st.booleans()
_choice = lru_cache(maxsize=None)(lambda options: st.integers(0, options - 1))


class _Drawing:
    """What was drawn of one program so far."""

    def __init__(self, draw: st.DrawFn, actions: Actions) -> None:
        self._draw = draw
        self._actions = actions
        self._bundles: dict[str, list[_Made]] = {}
        self._count: dict[str, int] = {}

    def before(self, tried: Tried, most: int) -> tuple[Step, ...]:
        """The initialize rules, and a few of all rules as their preconditions allow. A rule that would wait for ever
        is left out, and is the last: there is no way to go on from where it waits."""
        done = [self._made(self._step(rule, BEFORE), BEFORE) for rule in self._actions.initialize]
        machine = self._try(tried, tuple(done))

        def one_more() -> None:
            nonlocal machine
            if machine is None:
                return
            drawn = self._any_of([rule for rule in self._actions.rules if rule.allowed(machine)], BEFORE)
            if drawn is None:
                return
            machine = self._try(tried, (*done, drawn))
            if machine is not None:
                done.append(self._made(drawn, BEFORE))

        self._several(one_more, 0, most)
        return tuple(done)

    @staticmethod
    def _try(tried: Tried, steps: tuple[Step, ...]) -> Any:
        try:
            return tried(steps)
        except Broken:
            raise Broken(steps) from None

    def together(self) -> tuple[tuple[Step, ...], ...]:
        """Two threads, seldom four."""
        threads: list[tuple[Step, ...]] = []

        def one_more() -> None:
            if len(threads) < 2:
                threads.append(self._thread(len(threads) + 1, MOST_OF_A_THREAD))
            elif sum(map(len, threads)) <= MOST_TOGETHER - 2 and self._draw(_MORE):
                threads.append(self._thread(len(threads) + 1, 2))

        self._several(one_more, 2, MOST_THREADS)
        return tuple(threads)

    def _thread(self, thread: int, most: int) -> tuple[Step, ...]:
        steps = self._rules_of(thread, 1, most)
        if not steps:
            reject()
        return steps

    def after(self) -> tuple[Step, ...]:
        """A rule or two when the threads are done, then the observers."""
        return (*self._rules_of(AFTER, 0, MOST_AFTER), *map(step, self._actions.observers))

    def _rules_of(self, thread: int, least: int, most: int) -> tuple[Step, ...]:
        steps: list[Step] = []

        def one_more() -> None:
            drawn = self._any_of(self._actions.together, thread)
            if drawn is not None:
                steps.append(self._made(drawn, thread))

        self._several(one_more, least, most)
        return tuple(steps)

    # -- one step

    def _several(self, one_more: Callable[[], None], least: int, most: int) -> None:
        """Call `one_more`, which draws, several times. Whether there is more is always drawn last, at the most too,
        so that Hypothesis may leave out any of them when it shrinks."""
        done = 0
        while done < least or (self._draw(_MORE) and done < most):
            one_more()
            done += 1

    def _one_of(self, options: Sequence[T]) -> T:
        return options[self._draw(_choice(len(options)))]

    def _any_of(self, actions: Sequence[Action], thread: int) -> Step | None:
        possible = [
            action for action in actions if all(self._usable(bundle, thread) for bundle in action.bundles)
        ]
        return self._step(self._one_of(possible), thread) if possible else None

    def _step(self, action: Action, thread: int) -> Step:
        given = {
            name: self._argument(action, name, strategy, thread)
            for name, strategy in action.arguments.items()
        }
        return step(action, given, tuple(map(self._new_name, action.targets)))

    def _argument(self, action: Action, name: str, strategy: st.SearchStrategy[Any], thread: int) -> Any:
        if isinstance(strategy, Bundle):
            return self._from_bundle(action, strategy, thread)
        try:
            value = self._draw(strategy)
        except InvalidArgument as error:
            if "runner()" not in str(error):
                raise
            raise _refusal(action, name, "is made out of a bundle", "draw from the bundle itself") from None
        if isinstance(value, st.DataObject):
            raise _refusal(action, name, "is st.data()", "a rule cannot draw while threads run")
        return value

    def _from_bundle(self, action: Action, bundle: Bundle[Any], thread: int) -> Reference:
        if getattr(bundle, "_transformations", ()):
            raise _refusal(
                action, bundle.name, "is a bundle with .map or .filter", "draw from the bundle itself"
            )
        usable = self._usable(bundle, thread)
        if not usable:  # a first argument of the same rule consumed the last
            reject()
        made = self._one_of(usable)
        made.users.add(thread)
        if bundle.consume:
            self._bundles[bundle.name].remove(made)
        return Reference(made.name)

    def _usable(self, bundle: Bundle[Any], thread: int) -> list[_Made]:
        """What exists for certain when the thread asks, and, to consume it, is used by no other thread at once."""
        return [
            made
            for made in self._bundles.get(bundle.name, [])
            if thread == AFTER
            or (made.by in (BEFORE, thread) and not (bundle.consume and made.users - {BEFORE, thread}))
        ]

    def _new_name(self, bundle: str) -> str:
        number = self._count.get(bundle, 0)
        self._count[bundle] = number + 1
        return f"{bundle}_{number}"

    def _made(self, done: Step, thread: int) -> Step:
        for bundle, name in zip(done.action.targets, done.makes, strict=True):
            self._bundles.setdefault(bundle, []).append(_Made(name, thread))
        return done


class Refused(BaseException):
    """The machine asks for what cannot work with threads; the argument is the InvalidDefinition that says so. No
    Exception, lest Hypothesis take it for a failing test and shrink it."""


def _refusal(action: Action, argument: str, what: str, instead: str) -> Refused:
    return Refused(InvalidDefinition(f"rule {action.name}: argument {argument} {what}; {instead}"))
