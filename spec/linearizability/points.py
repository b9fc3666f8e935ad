"""Decides operations that touch many keys at one moment: `range`, `len` and `clear` where they are atomic.

The idea: choose the moments of these, and the keys fall apart again. A history is linearizable exactly when each
such operation can be given a moment between its call and its return so that every key, with the operation acting
on it at that moment, is linearizable by itself (each operation takes effect at a point of its interval, Herlihy
and Wing, TOPLAS 1990, and the other operations touch one key each). `moments` finds them. Then each key is decided
once more with the moments fixed, and the orders of the keys are merged by time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from heapq import merge
from typing import TypeAlias

from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import NO_EFFECT, Effect, MapEffect
from mapproof.spec.linearizability.moments import Events, Moment, find_moments
from mapproof.spec.linearizability.results import Method
from mapproof.spec.linearizability.search import Action, Explained, Stuck

Decide: TypeAlias = Callable[[Sequence[Action[Effect]], Budget], Explained | Stuck]
"""How one key is decided."""


def decide_shared(
    actions: Sequence[Action[MapEffect]], keys: int, decide_key: Decide, budget: Budget
) -> Explained | Stuck:
    """Whether the actions on that many keys have an order that respects time. Raises OutOfBounds.

    Exponential, at worst, in the number of actions of many keys that run at once and in the keys that a `len`
    may or may not have met; otherwise about as cheap as the keys are apart.
    """
    events = Events.of(actions, budget)
    moments = find_moments(events, keys, budget)
    if isinstance(moments, Stuck):
        return Stuck(moments.place, method=Method.POINTS)
    return Explained(_merged(events, moments, decide_key, budget), Method.POINTS)


def _merged(events: Events, moments: list[Moment], decide_key: Decide, budget: Budget) -> list[int]:
    """One order of all actions, from an order of each key in which the moments are given."""
    times = _times(moments)
    step = len(moments) + 2
    apart: defaultdict[int, list[tuple[int, Action[Effect]]]] = defaultdict(list)
    for place, (on, action) in events.on_one_key.items():
        end = events.ends[place] * step
        apart[on].append((place, action._replace(call=events.calls[place] * step, return_=end)))
    for moment, time in zip(moments, times, strict=True):
        whole = events.actions[moment.place]
        for on, effect in moment.effects:
            if effect != NO_EFFECT:
                at = Action(whole.source, whole.shown, time, time, effect, effect.post < 0)
                apart[on].append((moment.place, at))
    orders = [_timed(apart[on], decide_key, budget.renewed()) for on in sorted(apart)]
    shared = [(time, False, moment.place) for moment, time in zip(moments, times, strict=True)]
    alone = merge(*(_without(order, events.on_one_key) for order in orders), key=lambda timed: timed[0])
    return [place for _, _, place in merge(shared, alone, key=lambda timed: timed[:2])]


def _times(moments: list[Moment]) -> list[int]:
    """Distinct times for the moments: after the event before theirs (times are numbers of events, stretched)."""
    step = len(moments) + 2
    return [(moment.event - 1) * step + 1 + number for number, moment in enumerate(moments)]


def _timed(
    numbered: list[tuple[int, Action[Effect]]], decide_key: Decide, budget: Budget
) -> list[tuple[int, bool, int]]:
    """An order of one key's actions: (when it may take effect, True, place), in ascending time."""
    outcome = decide_key([action for _, action in numbered], budget)
    assert isinstance(outcome, Explained), "the moments were chosen so that each key has an order"
    timed, now = [], 0
    for number in outcome.order:
        place, action = numbered[number]
        now = max(now, action.call)
        timed.append((now, True, place))
    return timed


def _without(
    timed: list[tuple[int, bool, int]], on_one_key: dict[int, tuple[int, Action[Effect]]]
) -> list[tuple[int, bool, int]]:
    return [entry for entry in timed if entry[2] in on_one_key]
