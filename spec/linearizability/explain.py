"""Says in one sentence why the operations of a core cannot be ordered.

The idea: most cores are one of a few shapes (a value from nowhere, a stale read, two winners, a lost key), and
a shape can be told as what happened to the key. A sentence claims only what the core and the times of all
operations on the key show; where no shape fits, the sentence says no more than that there is no order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mapproof.spec.history import Operation
from mapproof.spec.linearizability.core import AnyAction, Core
from mapproof.spec.linearizability.effects import MISSING, NONE, Effect, MapEffect
from mapproof.spec.linearizability.groups import AnyGroup
from mapproof.spec.linearizability.results import ALL_KEYS
from mapproof.spec.linearizability.search import Action
from mapproof.spec.operations import SIGNATURES, Op

NOT_SMALLEST = "; a bound ran out while looking for fewer operations, so not all of these may be needed"
_NOT_PROVEN = (
    "no order explains the operations on this key, but a bound ran out before it was known which of them it is "
    "that have none: these are where the search for an order gave up"
)


def explain(
    group: AnyGroup, core: Sequence[int], operations: Mapping[int, Operation] | Sequence[Operation]
) -> tuple[object, str]:
    """(the key that the core is about, or ALL_KEYS; the sentence)."""
    place = _only_place(group, core)
    if place is None:
        return ALL_KEYS, _without_shape([operations[index] for index in core], "the whole map")
    on_key = _Register(group, place)
    told = on_key.tell([action for action in on_key.actions if action.source in set(core)])
    return group.keys[place], told or _without_shape(
        [operations[index] for index in core], f"key {group.keys[place]!r}"
    )


def qualified(sentence: str, core: Core) -> str:
    """The sentence with what is not known of its core."""
    if not core.proven:
        return _NOT_PROVEN
    return sentence if core.smallest else sentence + NOT_SMALLEST


def impossible(operation: Operation, reason: str) -> str:
    """The sentence for a result that no state explains."""
    return f"{said(operation)}, but {reason}"


def said(operation: Operation) -> str:
    """An operation as a person would tell it, with who and when."""
    return f"client {operation.client}'s {operation} at {when(operation)}"


def when(operation: Operation) -> str:
    return f"{operation.call}..{'' if operation.return_ is None else operation.return_}"


def _without_shape(core: list[Operation], about: str) -> str:
    if len(core) == 1:
        return f"no state that {about} can have been in explains {said(core[0])}"
    return f"no order of these {len(core)} operations on {about} explains all their results"


def _only_place(group: AnyGroup, core: Sequence[int]) -> int | None:
    """The place of the one key that the core is about; None if it is about several or counts them."""
    if group.key is not ALL_KEYS:
        return 0
    places: set[int] = set()
    for action in group.actions:
        if action.source in core and isinstance(action.effect, MapEffect):
            if not SIGNATURES[action.shown.op].keyed:
                return None
            places.update(place for place, _ in action.effect.parts)
    return places.pop() if len(places) == 1 else None


def _on_place(actions: Sequence[AnyAction], place: int) -> list[Action[Effect]]:
    """What the actions are to the key in one place; those that are nothing to it are left out."""
    found = []
    for action in actions:
        parts = action.effect.parts if isinstance(action.effect, MapEffect) else ((0, action.effect),)
        found += [action._replace(effect=part) for where, part in parts if where == place]  # type: ignore[arg-type]
    return found  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class _Told:
    """An operation that wanted a state, and those of the core beside it."""

    reader: Action[Effect]
    others: list[Action[Effect]]


class _Register:
    """The story of one key."""

    def __init__(self, group: AnyGroup, place: int) -> None:
        self.actions = _on_place(group.actions, place)
        self._key = f"key {group.keys[place]!r}"
        self._values = group.values

    def tell(self, core: list[Action[Effect]]) -> str | None:
        """The sentence for a core of one of the known shapes, None for another."""
        for reader in core:
            if sentence := self._from_nowhere(reader):
                return sentence
        if sentence := self._two_winners(core):
            return sentence
        for reader in core:
            told = _Told(reader, [action for action in core if action is not reader])
            sentence = (
                self._stale(told)
                or self._taken(told)
                or self._lost(told)
                or self._refused(told)
                or self._outlived(told)
            )
            if sentence:
                return sentence
        return self._two_values(core)

    def _from_nowhere(self, reader: Action[Effect]) -> str | None:
        """Nothing had stored the value when it was seen: explanation enough, whatever else is in the core."""
        wanted = reader.effect.wanted
        if wanted <= MISSING:
            return None
        value = self._value(wanted)
        stores = [action for action in self.actions if action.effect.post == wanted]
        if not stores:
            return f"{self._saw(reader)}, but no operation stored {value} there"
        first = min(stores, key=lambda action: action.call)
        if first.call <= reader.return_:
            return None
        return f"{self._saw(reader)}, but {value} was first stored there later, by {said(first.shown)}"

    def _stale(self, told: _Told) -> str | None:
        """The value was stored, then replaced or deleted, then seen."""
        wanted = told.reader.effect.wanted
        if len(told.others) != 2 or wanted <= MISSING:
            return None
        store, change = sorted(told.others, key=lambda action: action.call)
        fits = store.effect.post == wanted and change.effect.post not in (wanted, NONE)
        if (
            not fits
            or store.optional
            or change.optional
            or not store.return_ < change.call
            or not change.return_ < told.reader.call
        ):
            return None
        did = "deleted" if change.effect.post == MISSING else "replaced"
        return (
            f"{self._saw(told.reader)}, but {self._value(wanted)}, stored by {said(store.shown)}, "
            f"was {did} before by {said(change.shown)}, and nothing stored it again in time"
        )

    def _taken(self, told: _Told) -> str | None:
        """The value was stored, then used up by an operation that found it, then seen."""
        wanted = told.reader.effect.wanted
        if len(told.others) != 2 or wanted <= MISSING:
            return None
        store, taker = sorted(told.others, key=lambda action: action.effect.wanted == wanted)
        fits = (
            store.effect.post == wanted
            and taker.effect.wanted == wanted
            and taker.effect.post not in (wanted, NONE)
            and taker.return_ < told.reader.call
        )
        if not fits or taker.optional:
            return None
        return (
            f"{self._saw(told.reader)}, but {said(taker.shown)} had taken {self._value(wanted)} before, "
            f"and it was put there only once in time, by {said(store.shown)}"
        )

    def _lost(self, told: _Told) -> str | None:
        """A value was stored, and then the key was found missing."""
        if told.reader.effect.wanted != MISSING or len(told.others) != 1:
            return None
        (store,) = told.others
        if store.optional or store.effect.post <= MISSING or not store.return_ < told.reader.call:
            return None
        return (
            f"{self._saw(told.reader)}, but {said(store.shown)} had put {self._value(store.effect.post)} there, "
            "and nothing deleted the key in between"
        )

    def _refused(self, told: _Told) -> str | None:
        """A comparison failed though the key held the value."""
        unless = told.reader.effect.unless
        if unless < 0 or len(told.others) != 1:
            return None
        (store,) = told.others
        if store.optional or store.effect.post != unless or not store.return_ < told.reader.call:
            return None
        return (
            f"{said(told.reader.shown)} failed, but {self._key} held {self._value(unless)}: "
            f"{said(store.shown)} had put it there, and nothing changed it in between"
        )

    def _outlived(self, told: _Told) -> str | None:
        """An insertion found the key missing, so a store came after it; yet its value is what was seen in the end."""
        wanted = told.reader.effect.wanted
        if len(told.others) != 2 or wanted <= MISSING:
            return None
        store, insertion = sorted(told.others, key=lambda action: action.effect.wanted)
        fits = insertion.effect == Effect(wanted=MISSING, post=wanted) and store.effect == Effect(
            post=store.effect.post
        )
        after_both = max(store.return_, insertion.return_) < told.reader.call
        if (
            not fits
            or not after_both
            or store.effect.post in (wanted, MISSING)
            or store.optional
            or insertion.optional
        ):
            return None
        return (
            f"{said(insertion.shown)} found {self._key} missing, so {said(store.shown)} came after it; "
            f"yet {self._saw(told.reader)}, not {self._value(store.effect.post)}"
        )

    def _two_winners(self, core: list[Action[Effect]]) -> str | None:
        """Two operations used up the same state, which came to be only once."""
        winners = [action for action in core if action.effect.wanted >= 0 and action.effect.post >= 0]
        if len(winners) != 2 or winners[0].effect.wanted != winners[1].effect.wanted:
            return None
        if any(action.optional for action in winners):
            return None
        used = winners[0].effect.wanted
        stores = [action for action in core if action not in winners]
        both = f"{said(winners[0].shown)} and {said(winners[1].shown)}"
        if used == MISSING and not stores:
            return f"{both} both found {self._key} missing, but nothing deleted it between them"
        if used != MISSING and len(stores) == 1 and stores[0].effect == Effect(post=used):
            return (
                f"{both} both took {self._value(used)} from {self._key}, "
                f"but it was put there only once in time, by {said(stores[0].shown)}"
            )
        return None

    def _two_values(self, core: list[Action[Effect]]) -> str | None:
        """The key held one value for a while, and another in that while (zones, Gibbons and Korach 1997)."""
        by_state: dict[int, list[Action[Effect]]] = {}
        for action in core:
            wanted, unless, post = action.effect
            if unless >= 0 or (wanted >= 0 and post >= 0) or action.optional:
                return None
            by_state.setdefault(max(wanted, post), []).append(action)
        if len(by_state) != 2:
            return None
        zones = [
            (state, min(about, key=lambda action: action.return_), max(about, key=lambda action: action.call))
            for state, about in by_state.items()
        ]
        for held, other in (zones, zones[::-1]):
            state, first, last = held
            begin, end = other[1].return_, other[2].call
            if state > MISSING and first.return_ < last.call and first.return_ < end and begin < last.call:
                when = f"at some moment of {end}..{begin}" if end <= begin else f"from {begin} to {end}"
                return (
                    f"{self._key} held {self._value(state)} from {first.return_}, when {said(first.shown)} "
                    f"had returned, to {last.call}, when {said(last.shown)} was called; "
                    f"yet it {self._held(other[0])} {when}"
                )
        return None

    def _held(self, state: int) -> str:
        return "was missing" if state == MISSING else f"held {self._value(state)}"

    def _saw(self, reader: Action[Effect]) -> str:
        operation, wanted = reader.shown, reader.effect.wanted
        if operation.op is not Op.LOAD:
            return said(operation)
        who, at = f"client {operation.client}", when(operation)
        if wanted == MISSING:
            return f"{who} found {self._key} missing at {at}"
        return f"{who} read {self._value(wanted)} from {self._key} at {at}"

    def _value(self, state: int) -> str:
        return repr(self._values.value(state))
