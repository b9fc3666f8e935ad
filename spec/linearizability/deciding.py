"""Decides whether actions have an order, by the quickest way that is exact for them.

The idea: one door for whoever needs a key decided, so that the way it is decided can change behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import MISSING, Effect, MapEffect, register_step
from mapproof.spec.linearizability.results import ALL_KEYS
from mapproof.spec.linearizability.search import Action, Explained, Stuck, find_order

if TYPE_CHECKING:
    from mapproof.spec.linearizability.groups import AnyGroup


def decide(
    group: AnyGroup, actions: Sequence[Action[Effect] | Action[MapEffect]], budget: Budget
) -> Explained | Stuck:
    """Whether these actions, on the key or keys of the group, have an order. Raises OutOfBounds."""
    if group.key is ALL_KEYS:
        return find_order(actions, group.initial, group.step, budget)  # type: ignore[arg-type, misc]
    return decide_key(actions, budget)  # type: ignore[arg-type]


def decide_key(actions: Sequence[Action[Effect]], budget: Budget) -> Explained | Stuck:
    """An order of the actions of one key that respects time, or the action that cannot return.

    Raises OutOfBounds.
    """
    return find_order(actions, MISSING, register_step, budget)
