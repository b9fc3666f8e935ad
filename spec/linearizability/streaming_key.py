"""One key of a stream: what it may hold now, and the few operations that this rests on.

The idea: a key that nothing runs on is a set of states, and one operation by itself is a step from each of them;
only where operations overlap is there a search (`register_search`), and it ends when they do. So memory follows
what runs and not what ran. Numbers of values that nothing speaks of any more are given out again.

Where the answer of a running operation is not known yet (a load that was called), the events since its call wait
in a list, and each return is judged on a copy of the search that walks over the list, with the unknown answers
taken for any answer at all. That is exact. An operation that outlasts `MOST_WAITING` events on its key is let
go: what it may have done to the key counts for ever, what it answers is no longer judged.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import Any, Final, NamedTuple

from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import (
    MISSING,
    NO_EFFECT,
    Effect,
    Values,
    effect_of,
    register_step,
)
from mapproof.spec.linearizability.register_search import RegisterSearch
from mapproof.spec.model import Inconsistent
from mapproof.spec.values import identity

MOST_WAITING: Final = 256
"""Events that wait on one key, at most, for an answer that is not known yet."""

_MANY_VALUES: Final = 64


class Step(NamedTuple):
    """What `operation` amounts to on one key: `shown`, which is itself unless it is on the whole map."""

    operation: Operation
    shown: Operation
    effect: Effect
    repeatable: bool = False


class RecycledValues(Values):
    """Numbers of values, where those that are no longer in use are given out again."""

    __slots__ = ("_free",)

    def __init__(self) -> None:
        super().__init__()
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, value: Any) -> int:
        """The number of a value, a free one if it has none."""
        name = identity(value)
        number = self._numbers.get(name)
        if number is None:
            if not self._free:
                return super().number(value)
            number = self._numbers[name] = self._free.pop()
            self._values[number - 1] = value
        return number

    def keep(self, used: set[int]) -> None:
        """Let go of all numbers but these."""
        for name, number in list(self._numbers.items()):
            if number not in used:
                del self._numbers[name]
                self._values[number - 1] = None
                self._free.append(number)


class _Search(RegisterSearch):
    """A search that starts from any states, can be copied, and learns at its return that a step was optional."""

    def __init__(self, budget: Budget, states: set[int]) -> None:
        super().__init__(budget)
        (past,) = self._live.values()
        self._live = {(state, 0): past for state in states}

    def fork(self) -> _Search:
        other = copy(self)
        other._running, other._reads = dict(self._running), dict(self._reads)
        other._changes, other._writes = dict(self._changes), dict(self._writes)
        other._free_bits = list(self._free_bits)
        return other

    def runs(self, place: int) -> bool:
        return place in self._running

    def settled(self, place: int, optional: bool) -> bool:
        """As `returned`. The bound of configurations holds for each return by itself."""
        self._budget = self._budget.renewed()
        if optional:
            self._running[place] = self._running[place]._replace(optional=True)
        return self.returned(place)

    def used(self) -> set[int]:
        """The numbers of the values that the search speaks of."""
        numbers = self.states()
        for step in self._running.values():
            numbers.update((step.wanted, step.unless, step.post))
        return numbers


class _Register:
    """What a key may hold: states while it is quiet, a lone step beside them, a search while steps overlap."""

    __slots__ = ("_alone", "_budget", "_search", "_states")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._states = {MISSING}
        self._alone: tuple[int, Step] | None = None
        self._search: _Search | None = None

    def called(self, ticket: int, step: Step) -> None:
        if step.effect == NO_EFFECT:
            return
        if self._search is None:
            if self._alone is None:
                self._alone = ticket, step
                return
            self._search = _Search(self._budget.renewed(), self._states)
            self._enter(self._search, *self._alone)
            self._alone = None
        self._enter(self._search, ticket, step)

    @staticmethod
    def _enter(search: _Search, ticket: int, step: Step) -> None:
        search.called(ticket, step.effect, False, step.repeatable)

    def returned(self, ticket: int, optional: bool) -> bool:
        """False if no order explains it. A step without effect was never taken in."""
        search = self._search
        if search is None:
            return self._alone is None or self._alone[0] != ticket or self._alone_returned(optional)
        if not search.runs(ticket):
            return True
        if not search.settled(ticket, optional):
            return False
        if not search.running():
            self._states, self._search = search.states(), None
        return True

    def _alone_returned(self, optional: bool) -> bool:
        assert self._alone is not None
        effect = self._alone[1].effect
        if len(self._states) == 1 and not optional:
            (state,) = self._states
            after = register_step(state, effect)
            if after is None:
                return False
            if after != state:
                self._states = {after}
        else:
            reached = {register_step(state, effect) for state in self._states}
            states = {state for state in reached if state is not None}
            states |= self._states if optional else set()
            if not states:
                return False
            self._states = states
        self._alone = None
        return True

    def fork(self) -> _Register:
        other = _Register(self._budget)
        other._states, other._alone = self._states, self._alone
        other._search = None if self._search is None else self._search.fork()
        return other

    def states(self) -> set[int]:
        return self._states if self._search is None else self._search.states()

    def used(self) -> set[int]:
        """The numbers of the values that are spoken of."""
        if self._search is not None:
            return self._search.used()
        return self._states if self._alone is None else self._states.union(self._alone[1].effect)

    @property
    def missing(self) -> bool:
        """The key is not in the map, for certain, and nothing runs that could change that."""
        return self._search is None and self._alone is None and self._states == {MISSING}


class _Event(NamedTuple):
    """A call, or a return whose step may as well not have happened, or not."""

    ticket: int
    is_return: bool
    optional: bool = False


class StreamKey:
    """A key and its running steps, told apart by ticket. `called` and `returned` raise OutOfBounds.

    `tail` holds the last steps that completed, and `forgotten_until` is when the last one before them
    returned: None if nothing was forgotten since the key was missing. `unjudged` counts answers not judged.
    """

    __slots__ = (
        "_events",
        "_let_go",
        "_limit",
        "_open",
        "_register",
        "_waiting",
        "forgotten_until",
        "key",
        "name",
        "running",
        "tail",
        "undecided",
        "unjudged",
        "values",
    )

    def __init__(self, key: Any, budget: Budget, remembered: int) -> None:
        self.key = key
        self.name = identity(key)
        self.values = RecycledValues()
        self.running: dict[int, Step] = {}
        self.tail: deque[Step] = deque(maxlen=remembered)
        self.forgotten_until: int | None = None
        self.undecided: str | None = None
        self.unjudged = 0
        self._register = _Register(budget)
        self._events: deque[_Event] = deque()
        self._waiting: dict[int, Step] = {}
        self._open: set[int] = set()
        self._let_go: set[int] = set()
        self._limit = _MANY_VALUES

    def step(
        self, operation: Operation, shown: Operation | None = None, repeatable: bool = False
    ) -> Step | Inconsistent:
        """The step of an operation on this key; Inconsistent if no state explains what it answered."""
        shown = shown or operation
        effect = effect_of(shown, self.values if self.undecided is None else Values())
        return effect if isinstance(effect, Inconsistent) else Step(operation, shown, effect, repeatable)

    def called(self, ticket: int, step: Step, answered: bool = True) -> None:
        """The step begins; if it is not `answered`, what it will answer is not known yet."""
        self.running[ticket] = step
        if answered and not self._events:
            self._register.called(ticket, step)
            return
        if not answered:
            self._open.add(ticket)
        self._waiting[ticket] = step
        self._events.append(_Event(ticket, False))
        while len(self._events) > MOST_WAITING:
            self._let_go_of_the_oldest()

    def returned(self, ticket: int, step: Step) -> bool:
        """The step, with its answer, has returned. False if no order explains that: then all stays as it was."""
        if not self._explained(ticket, step):
            return False
        if ticket in self._let_go:
            self._let_go.discard(ticket)
            self.unjudged += step.shown.completed
        self._remember(ticket, step)
        return True

    def narrow(self, ticket: int, step: Step) -> None:
        """What is known from elsewhere: the step happened now, and some state allows it. It is not remembered."""
        self.called(ticket, step)
        self._explained(ticket, step)
        del self.running[ticket]

    def _explained(self, ticket: int, step: Step) -> bool:
        optional = not step.shown.completed or ticket in self._let_go
        if self._events:
            return self._returned_behind(ticket, step, optional)
        return self._register.returned(ticket, optional)

    def _returned_behind(self, ticket: int, step: Step, optional: bool) -> bool:
        """A return while events wait: judged on a copy, then taken in as far as the answers are known."""
        before = self._waiting.get(ticket)
        was_open = ticket in self._open
        if before is not None:
            self._waiting[ticket] = step
            self._open.discard(ticket)
        self._events.append(_Event(ticket, True, optional))
        if self._ahead() is not None:
            self._advance()
            return True
        self._events.pop()
        if before is not None:
            self._waiting[ticket] = before
        if was_open:
            self._open.add(ticket)
        return False

    def _remember(self, ticket: int, step: Step) -> None:
        del self.running[ticket]
        tail = self.tail
        if len(tail) == tail.maxlen:
            self.forgotten_until = (tail[0] if tail else step).operation.return_
        tail.append(step)
        if len(self.values) > self._limit:
            self._recycle()

    def _recycle(self) -> None:
        used = set(self._register.used())
        for step in (*self.running.values(), *self._waiting.values()):
            used.update(step.effect)
        self.values.keep(used)
        self._limit = max(_MANY_VALUES, 2 * len(self.values))

    def _let_go_of_the_oldest(self) -> None:
        """The first event is the call of an operation whose answer is not known: go on without it."""
        ticket = self._events[0].ticket
        self._open.discard(ticket)
        self._let_go.add(ticket)
        self._advance()

    def _advance(self) -> None:
        """Take in the events that wait for nothing."""
        events = self._events
        while events and not (events[0].ticket in self._open and not events[0].is_return):
            event = events.popleft()
            self._replay(self._register, event)
            if not event.is_return:
                del self._waiting[event.ticket]

    def _replay(self, register: _Register, event: _Event) -> bool:
        if event.is_return:
            return register.returned(event.ticket, event.optional)
        register.called(event.ticket, self._waiting[event.ticket])
        return True

    def _ahead(self) -> _Register | None:
        """The register after the events that wait; None if they have no explanation."""
        register = self._register.fork()
        return register if all(self._replay(register, event) for event in self._events) else None

    @property
    def waits(self) -> bool:
        """Some answer is not known yet that others depend on."""
        return bool(self._events)

    def states(self) -> set[int]:
        """The states that the key may have, if nothing that runs does more than it must have."""
        register = self._ahead()
        assert register is not None
        return register.states()

    @property
    def missing(self) -> bool:
        """The key is not in the map, and nothing runs on it: it may be forgotten."""
        return not self.running and not self._events and self._register.missing
