"""Holds an order that the search found against the model before anybody sees it.

The idea: the search trusts its table of effects; the witness does not. Time, completeness and every answer are
checked again, on `MapModel` itself, so that LINEARIZABLE rests on the model alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.groups import AnyGroup
from mapproof.spec.linearizability.results import Witness
from mapproof.spec.linearizability.search import Action
from mapproof.spec.model import Inconsistent, MapModel

_MODEL = MapModel()


class InternalError(AssertionError):
    """The checker contradicts itself: a bug in mapproof, never a property of the history."""


def replayed(group: AnyGroup, order: Sequence[int], budget: Budget) -> Witness:
    """The witness of an order of a group's actions. Raises InternalError if it is none, and OutOfBounds."""
    actions: Sequence[Action[object]] = group.actions  # type: ignore[assignment]
    in_order = [actions[place] for place in order]
    _refuse_missing(actions, order)
    _refuse_out_of_time(in_order)
    state = _MODEL.initial
    for number, action in enumerate(in_order):
        if number & 63 == 0:
            budget.work(64 * (4 + len(state)))
        after = _MODEL.step(state, action.shown)
        if isinstance(after, Inconsistent):
            raise InternalError(f"witness of {group.key!r}: {action.shown}: {after.reason}")
        state = after
    return Witness(group.key, tuple(action.shown for action in in_order))


def _refuse_missing(actions: Sequence[Action[object]], order: Sequence[int]) -> None:
    done: set[int] = set()
    for place in order:
        if place in done and not actions[place].repeatable:
            raise InternalError(f"{actions[place].shown} took effect twice in a witness")
        done.add(place)
    if len(done) < len(actions):
        for place, action in enumerate(actions):
            if place not in done and not action.optional:
                raise InternalError(f"no place in a witness for {action.shown}")


def _refuse_out_of_time(in_order: Sequence[Action[object]]) -> None:
    latest: Operation | None = None
    for action in in_order:
        if latest is not None and action.return_ < latest.call:
            raise InternalError(
                f"witness has {action.shown} after {latest}, which was called after its return"
            )
        if latest is None or action.call > latest.call:
            latest = action.shown
