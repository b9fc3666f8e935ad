"""The search for an order, one order at a time, for models that can tell a dead end.

The idea: where every order of some changes leaves a state of its own (appends to a string), keeping all orders at
once is hopeless. So one is followed, in the order of the calls as far as that goes, and the last choice taken back
where it ends (Wing and Gong, JPDC 1993), with configurations that were met before left out (Lowe, CCPE 2017). A
wrong choice would show only at a later read; so after each change the model is asked whether the next reads to
return may still get their answers, given what may come before them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar

from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.search import PENDING, Action, Explained, Step, Stuck

S = TypeVar("S", bound=Hashable)

Actions = Sequence[Action[Operation]]

MayAnswer = Callable[[S, Operation, Sequence[Operation]], bool]
"""Whether a read may get its answer after some of the operations, in some order, from that state."""

_READS_AHEAD: Final = 4
"""Enough to see a wrong order at once on measured histories; each costs a look at what overlaps."""


def find_order(
    actions: Actions,
    initial: S,
    step: Step[S, Operation],
    may_answer: MayAnswer[S],
    budget: Budget,
    locate: bool = True,
) -> Explained | Stuck:
    """As `search.find_order`, for actions of which none that has a return is optional.

    Raises OutOfBounds. Where only the first return without an order is still looked for (and that only if
    `locate`), a later one is answered instead.
    """
    order = _order(actions, initial, step, may_answer, budget)
    if order is not None:
        return Explained(order)
    returns = sorted(
        (place for place, action in enumerate(actions) if action.return_ < PENDING),
        key=lambda place: actions[place].return_,
    )
    low, high = 0 if locate else len(returns) - 1, len(returns) - 1
    try:
        while low < high:
            middle = (low + high) // 2
            seen = until(actions, actions[returns[middle]].return_)
            if _order(seen, initial, step, may_answer, budget.renewed()) is None:
                high = middle
            else:
                low = middle + 1
    except OutOfBounds:
        pass
    return Stuck(returns[high])


def until(actions: Actions, time: float) -> list[Action[Operation]]:
    """What was called by that time; nothing more is demanded of what returned later, least of all of reads."""
    return [
        action if action.return_ <= time else action._replace(return_=PENDING)
        for action in actions
        if action.return_ <= time or (action.call <= time and not action.reads)
    ]


class _Waiting:
    """The calls and returns of what has not taken effect, in time order: a doubly linked list around entry 0."""

    def __init__(self, actions: Actions) -> None:
        events: list[tuple[float, bool, int]] = [
            (action.call, False, place) for place, action in enumerate(actions)
        ]
        events += [(a.return_, True, place) for place, a in enumerate(actions) if a.return_ < PENDING]
        events.sort()
        count = len(events) + 1
        self.next = [*range(1, count), 0]
        self._before = [count - 1, *range(count - 1)]
        self.place = [len(actions), *(place for _, _, place in events)]
        self.returns = [True, *(returns for _, returns, _ in events)]
        self.call_of = [0] * len(actions)
        self._return_of = [0] * len(actions)
        for entry, (_, returns, place) in enumerate(events, 1):
            (self._return_of if returns else self.call_of)[place] = entry

    def take_out(self, place: int) -> None:
        for entry in (self.call_of[place], self._return_of[place]):
            if entry:
                self.next[self._before[entry]] = self.next[entry]
                self._before[self.next[entry]] = self._before[entry]

    def put_back(self, place: int) -> None:
        """Undo the last `take_out` that is not undone: what was beside the entries is beside them again."""
        for entry in (self._return_of[place], self.call_of[place]):
            if entry:
                self.next[self._before[entry]] = entry
                self._before[self.next[entry]] = entry


def _order(
    actions: Actions, initial: S, step: Step[S, Operation], may_answer: MayAnswer[S], budget: Budget
) -> list[int] | None:
    """The places of one order, None if there is none. Raises OutOfBounds."""
    by_call = sorted(range(len(actions)), key=lambda place: actions[place].call)
    ordered = [actions[place] for place in by_call]
    waiting = _Waiting(ordered)
    due = sum(action.return_ < PENDING for action in ordered)
    state, done, taken = initial, 0, list[tuple[int, S]]()
    seen: set[tuple[int, int, S]] = set()
    entry = waiting.next[0]
    while due:
        budget.work(8)
        if waiting.returns[entry]:
            if not taken:
                return None
            place, state = taken.pop()
            waiting.put_back(place)
            done ^= 1 << place
            due += ordered[place].return_ < PENDING
            entry = waiting.next[waiting.call_of[place]]
            continue
        place = waiting.place[entry]
        action = ordered[place]
        after = step(state, action.effect)
        if after is not None:
            waiting.take_out(place)
            first = waiting.place[waiting.next[0]]
            # All before the first that waits are done, so the mask is as short as what overlaps.
            configuration = first, (done | 1 << place) >> first, after
            if configuration not in seen:
                seen.add(configuration)
                budget.create(1)
                if action.reads or _hopeful(ordered, waiting, after, may_answer):
                    taken.append((place, state))
                    state, done = after, done | 1 << place
                    due -= action.return_ < PENDING
                    entry = waiting.next[0]
                    continue
            waiting.put_back(place)
        entry = waiting.next[entry]
    return [by_call[place] for place, _ in taken]


def _hopeful(actions: Actions, waiting: _Waiting, state: S, may_answer: MayAnswer[S]) -> bool:
    """Whether the next reads to return may still be answered after what else may come before their returns."""
    before: list[Operation] = []
    reads = 0
    entry = waiting.next[0]
    while entry and reads < _READS_AHEAD:
        action = actions[waiting.place[entry]]
        if not action.reads:
            if not waiting.returns[entry]:
                before.append(action.effect)
        elif waiting.returns[entry]:
            if not may_answer(state, action.effect, before):
                return False
            reads += 1
        entry = waiting.next[entry]
    return True
