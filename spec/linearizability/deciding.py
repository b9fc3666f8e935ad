"""Decides whether actions have an order, by the quickest way that is exact for them.

The idea: one door for whoever needs a key decided. Where no value was stored twice the near-linear way decides,
and it says so itself if it does not apply; then the search does. Small keys are decided at once in plain Python,
long ones by the same kernels as machine code, if the extra `fast` is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from mapproof.spec.linearizability import machine, near_linear, register_kernel
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.compiled import FOREVER, Ints
from mapproof.spec.linearizability.effects import MISSING, NONE, Effect, MapEffect, register_step
from mapproof.spec.linearizability.points import decide_shared
from mapproof.spec.linearizability.register_search import find_register_order
from mapproof.spec.linearizability.results import ALL_KEYS, Method
from mapproof.spec.linearizability.search import PENDING, Action, Explained, Stuck, find_order

if TYPE_CHECKING:
    from mapproof.spec.linearizability.groups import AnyGroup

WHY_SEARCHED: Final = {
    near_linear.REPEATED: Method.REPEATED,
    near_linear.FAILED_COMPARE: Method.FAILED_COMPARE,
    near_linear.UNANSWERED_DELETE: Method.UNANSWERED,
}
"""Why the near-linear way left a key to the search."""


def decide(
    group: AnyGroup, actions: Sequence[Action[Effect] | Action[MapEffect]], budget: Budget
) -> Explained | Stuck:
    """Whether these actions, on the key or keys of the group, have an order. Raises OutOfBounds."""
    if group.key is ALL_KEYS:
        return decide_shared(actions, len(group.keys), decide_key, budget)  # type: ignore[arg-type]
    return decide_key(actions, budget)  # type: ignore[arg-type]


def decide_key(actions: Sequence[Action[Effect]], budget: Budget) -> Explained | Stuck:
    """An order of the actions of one key that respects time, or what it failed for. Raises OutOfBounds."""
    if any(action.repeatable for action in actions):
        return _searched(actions, Method.REPEATABLE, budget)
    if _repeats(actions):
        return _searched(actions, Method.REPEATED, budget)
    steps = _steps(actions)
    order, blame, stop = [0] * len(actions), [0] * near_linear.MOST_BLAMED, [0]
    fast = len(actions) >= _LONG and machine.available()
    lists = (order, blame, stop)
    code, count = _run(near_linear.decide_unique, fast, steps, steps.values, lists, budget)
    if code == near_linear.LINEARIZABLE:
        return Explained([steps.places[at] for at in order[:count]], Method.NEAR_LINEAR)
    if code == near_linear.NOT_LINEARIZABLE:
        hints = tuple(steps.places[at] for at in blame[:count])
        return Stuck(hints[-1], hints, Method.NEAR_LINEAR)
    if code == near_linear.STOPPED:
        raise OutOfBounds("the time limit ran out")
    return _searched(actions, WHY_SEARCHED[code], budget)


def _repeats(actions: Sequence[Action[Effect]]) -> bool:
    """Whether a value was surely stored twice, and met: then the near-linear way need not be tried."""
    stored = [action.effect.post for action in actions if action.effect.post > 0 and not action.optional]
    if len(set(stored)) == len(stored):
        return False
    twice = {value for value, times in Counter(stored).items() if times > 1}
    return not twice.isdisjoint(action.effect.wanted for action in actions)


def _searched(actions: Sequence[Action[Effect]], method: Method, budget: Budget) -> Explained | Stuck:
    """By the plain search, by the one with hindsight, or by the latter as machine code: what a key is worth."""
    if len(actions) <= _SHORT:
        with suppress(OutOfBounds):
            few = budget.at_most(_FEW_CONFIGURATIONS)
            return replace(find_order(actions, MISSING, register_step, few), method=method)
    if method is Method.REPEATABLE or not machine.available():
        return replace(find_register_order(actions, budget), method=method)
    if len(actions) < _LONG_SEARCH:
        with suppress(OutOfBounds):
            return replace(find_register_order(actions, budget.at_most(_MANY_CONFIGURATIONS)), method=method)
    return _searched_fast(actions, method, budget)


def _searched_fast(actions: Sequence[Action[Effect]], method: Method, budget: Budget) -> Explained | Stuck:
    steps = _steps(actions)
    order, stop = [0] * len(actions), [0]
    most = budget.configurations
    code, count = _run(register_kernel.decide_any, True, steps, most, (order, stop), budget)
    match code:
        case near_linear.LINEARIZABLE:
            return Explained([steps.places[at] for at in order[:count]], method)
        case near_linear.NOT_LINEARIZABLE:
            return Stuck(steps.places[count], method=method)
        case near_linear.STOPPED:
            raise OutOfBounds("the time limit ran out")
        case register_kernel.OUT_OF_CONFIGURATIONS:
            raise OutOfBounds(f"the bound of {budget.configurations} configurations ran out")
        case _:
            return replace(find_register_order(actions, budget), method=method)


_SHORT: Final = 30
_FEW_CONFIGURATIONS: Final = 200
"""The plain search is quicker for few actions, unless many of them run at once."""

_MANY_CONFIGURATIONS: Final = 20_000
"""What the search with hindsight may try in plain Python on a key that is not long, if machine code can take over."""

_LONG: Final = 50_000
_LONG_SEARCH: Final = 5_000
"""From how many actions on machine code is worth the second or so that it takes to load."""


def _run(
    kernel: Callable[..., tuple[int, int]],
    fast: bool,
    steps: _Steps,
    given: int,
    lists: tuple[list[int], ...],
    budget: Budget,
) -> tuple[int, int]:
    """Run a kernel in plain Python or, `fast`, as machine code; its answer, and `lists` filled by it.

    The last of the lists is the flag that stops it.
    """
    if not fast:
        with budget.stopping(lists[-1]):
            return kernel(*steps.columns, given, *lists)
    import numpy as np

    columns = [np.array(column, np.int64) for column in (*steps.columns, *lists)]
    columns, arrays = columns[: len(steps.columns)], columns[len(steps.columns) :]
    with budget.stopping(arrays[-1]):
        code, count = machine.kernels()[kernel.__name__](*columns, given, *arrays)
    for filled, array in zip(lists, arrays, strict=True):
        filled[:] = array.tolist()
    return int(code), int(count)


class _Steps(NamedTuple):
    """The columns of the actions by call, with the place of each among the actions; see `near_linear`."""

    places: Sequence[int]
    columns: tuple[Ints, Ints, Ints, Ints, Ints, Ints]
    values: int


def _steps(actions: Sequence[Action[Effect]]) -> _Steps:
    calls = [action.call for action in actions]
    places: Sequence[int] = range(len(actions))
    if any(later < earlier for earlier, later in pairwise(calls)):
        places = sorted(places, key=calls.__getitem__)
        actions = [actions[place] for place in places]
        calls = [action.call for action in actions]
    returns = [action.return_ for action in actions]
    effects = [action.effect for action in actions]
    numbers = {NONE: NONE, MISSING: MISSING}
    wanted, unless, post = (
        [numbers.setdefault(effect[part], len(numbers) - 1) for effect in effects] for part in range(3)
    )
    optional: Ints = [int(action.optional) for action in actions]
    columns = (wanted, unless, post, *_times(calls, returns), optional)
    return _Steps(places, columns, len(numbers) - 2)


def _times(calls: list[int], returns: list[float]) -> tuple[Ints, Ints]:
    """Times of any size, or with a fraction, as times that a kernel can hold."""
    ends = [FOREVER if end == PENDING else end for end in returns]
    held = min(calls, default=0) > -FOREVER and max(max(calls, default=0), *ends, 0) <= FOREVER
    # a return at the largest time must not look like none, and nothing be rounded
    if held and FOREVER not in returns and {*map(type, calls), *map(type, ends)} <= {int}:
        return calls, ends  # type: ignore[return-value]
    ranks = {time: rank for rank, time in enumerate(sorted({*calls, *returns}))}
    ranks[PENDING] = FOREVER
    return [ranks[call] for call in calls], [ranks[end] for end in returns]
