"""Shows what was atomic on each shard as what it amounts to on each key, so that a witness can be replayed.

The idea: the model knows of no shards, so it cannot replay a `range` of some of the keys. At its moment such a
piece is a `load` (of a `clear`, a `delete`) of each key of the shard, one right after the other; a piece of a
`len` is the loads of what is there, and what the pieces met must add up to the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mapproof.spec.linearizability.effects import MISSING, MapEffect, map_step
from mapproof.spec.linearizability.groups import AnyGroup, on_key
from mapproof.spec.linearizability.results import ALL_KEYS
from mapproof.spec.linearizability.search import Action
from mapproof.spec.linearizability.witness import InternalError
from mapproof.spec.operations import SIGNATURES, Op


def spelled_out(group: AnyGroup, order: Sequence[int]) -> tuple[AnyGroup, Sequence[int]]:
    """The group and the order with each piece spelled out, key by key; as they are if there is none.

    Raises InternalError if the order is impossible or the pieces of a `len` do not add up.
    """
    actions: Sequence[Action[Any]] = group.actions
    keys = len(group.keys)
    if group.key is not ALL_KEYS or not any(_piece(action, keys) for action in actions):
        return group, order
    shown = list(actions)
    spelled: list[int] = []
    met: Counter[int] = Counter()
    state = (MISSING,) * keys
    for place in order:
        action = actions[place]
        piece = _piece(action, keys)
        for on in piece:
            spelled.append(len(shown))
            shown.append(_on_key(group, action, on, state[on]))
        if not piece:
            spelled.append(place)
        if action.effect.length:
            met[action.source] += sum(state[on] != MISSING for on in piece)
        after = map_step(state, MapEffect(action.effect.parts))
        if after is None:
            raise InternalError(f"{action.shown} is impossible where a witness has it")
        state = after
    _refuse_wrong_sums(actions, met, keys)
    taken = set(order)
    optional = [
        action._replace(optional=action.optional or (place in taken and bool(_piece(action, keys))))
        for place, action in enumerate(shown[: len(actions)])
    ]
    return replace(group, actions=optional + shown[len(actions) :]), spelled  # type: ignore[arg-type]


def _piece(action: Action[MapEffect], keys: int) -> Sequence[int]:
    """The places of the keys of a piece; none for an action that is one to the model as it stands."""
    if SIGNATURES[action.shown.op].keyed:
        return ()
    if action.effect.length:
        return action.effect.length.places or ()
    return () if len(action.effect.parts) == keys else [on for on, _ in action.effect.parts]


def _on_key(group: AnyGroup, piece: Action[MapEffect], on: int, state: int) -> Action[Any]:
    """What a piece does to a key in that state."""
    if piece.shown.op is Op.CLEAR:
        shown = on_key(piece.shown, Op.DELETE, group.keys[on], None)
    else:
        found = (None, False) if state == MISSING else (group.values.value(state), True)
        shown = on_key(piece.shown, Op.LOAD, group.keys[on], found)
    return piece._replace(shown=shown, optional=False)


def _refuse_wrong_sums(actions: Sequence[Action[MapEffect]], met: Counter[int], keys: int) -> None:
    for action in actions:
        counted = action.effect.length
        if counted and _piece(action, keys) and met[action.source] != counted.keys:
            raise InternalError(f"{action.shown} met {met[action.source]} keys in a witness")
