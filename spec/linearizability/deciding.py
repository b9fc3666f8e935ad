"""Decides one key: whether its actions have an order, from the key being missing.

The idea: one door for whoever needs a key decided, so that the way it is decided can change behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import MISSING, Effect, register_step
from mapproof.spec.linearizability.search import Action, Explained, Stuck, find_order


def decide_key(actions: Sequence[Action[Effect]], budget: Budget) -> Explained | Stuck:
    """An order of the actions of one key that respects time, or the action that cannot return.

    Raises OutOfBounds.
    """
    return find_order(actions, MISSING, register_step, budget)
