"""What holds of a `SyncMap`: at rest, and between any two accesses of any threads.

The idea: I1 to I7 (see `sync_map`) are kept under `mu`, and what happens without `mu` cannot break them. So all of
them hold whenever `mu` is free, however many operations are half done. While it is held, whoever holds it may be in
the middle of a copy, a promotion, a clear or an unexpunging; what each of these may leave undone for a while, and
what a single access may change, is what `StepInvariants` knows besides.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mapproof.impl.invariants import require

if TYPE_CHECKING:
    from mapproof.impl.sync import PlainDict
    from mapproof.impl.sync_map import Entry, Expunged, ReadOnly, SyncMap

Entries: TypeAlias = "dict[Any, Entry[Any]]"


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A map at one moment: which objects its parts were, and copies of what they held."""

    locked: bool
    read: ReadOnly[Any, Any]
    m: Entries
    dirty_map: PlainDict[Any, Entry[Any]] | None
    dirty: Entries
    misses: int
    expunged: frozenset[Entry[Any]]
    deleted: frozenset[Entry[Any]]


def _state_of(map_: SyncMap[Any, Any], expunged: Expunged) -> _State:
    read, dirty_map = map_.read.peek(), map_.dirty.peek()
    m = dict(read.m.peek())
    dirty = {} if dirty_map is None else dict(dirty_map.peek())
    pointers = [(entry, entry.p.peek()) for entry in {*m.values(), *dirty.values()}]
    return _State(
        locked=map_.mu.locked(),
        read=read,
        m=m,
        dirty_map=dirty_map,
        dirty=dirty,
        misses=map_.misses.peek(),
        expunged=frozenset(entry for entry, p in pointers if p is expunged),
        deleted=frozenset(entry for entry, p in pointers if p is None),
    )


def check_at_rest(map_: SyncMap[Any, Any], expunged: Expunged) -> None:
    """Raise AssertionError, saying which of I1 to I7 is broken. Only for a map that no thread is using."""
    state = _state_of(map_, expunged)
    require(not state.locked, "mu is held, so the map is not at rest")
    _check_any_time(state)
    _check_while_free(state)


class StepInvariants:
    """Raises AssertionError, naming what is broken, when it is called after the access that broke it.

    The first call looks at the state alone; every other compares it with what the one before saw, and so must come
    after one more access at most. Nothing that it does is seen by the hook.
    """

    def __init__(self, map_: SyncMap[Any, Any], expunged: Expunged) -> None:
        self._map = map_
        self._sentinel = expunged
        self._last: _State | None = None
        self._published: dict[PlainDict[Any, Entry[Any]], Entries] = {}
        self._unexpunged: AbstractSet[Entry[Any]] = frozenset()

    def __call__(self) -> None:
        last, state = self._last, _state_of(self._map, self._sentinel)
        for m, entries in self._published.items():  # also what only an unfinished operation still has
            require(m.peek() == entries, "I5: the key set of a published read.m changed")
        _check_any_time(state)
        if last is not None:
            _check_change(last, state)
        if not state.locked:
            self._unexpunged = frozenset()
            _check_while_free(state)
        else:
            self._unexpunged |= frozenset() if last is None else last.expunged - state.expunged
            if state.read.amended:  # then dirty is complete, but for what is being unexpunged
                _check_dirty_has_all(state, self._unexpunged)
        self._published.setdefault(state.read.m, state.m)
        self._last = state


def _check_any_time(state: _State) -> None:
    """What must not be broken for a moment even by whoever holds mu."""
    has_dirty = state.dirty_map is not None
    require(not state.read.amended or has_dirty, "I2: read is amended, but there is no dirty")
    promoting = state.locked and not state.read.amended
    require(
        promoting or state.dirty_map is not state.read.m,
        "I5: dirty is the published read.m, whose keys must not change",
    )
    for key, entry in state.m.items():
        if entry not in state.expunged:
            if state.dirty.get(key, entry) is not entry:
                raise _not_shared(state, key, entry)
        elif not has_dirty:
            raise AssertionError(f"I3: the entry of {key!r} is expunged, but there is no dirty")
        elif key in state.dirty:
            raise AssertionError(f"I3: the entry of {key!r} is expunged, but dirty has the key")
    for key, entry in state.dirty.items():
        if entry in state.expunged:
            raise AssertionError(f"I6: the entry of {key!r} is expunged, but in dirty")


def _check_while_free(state: _State) -> None:
    """What holds besides whenever nobody holds mu."""
    require(state.read.amended or not state.dirty, "I1: read is not amended, but dirty holds keys")
    if state.dirty_map is not None:
        _check_dirty_has_all(state, frozenset())
    require(
        state.misses == 0 or 0 < state.misses < len(state.dirty),
        f"I7: {state.misses} misses of a dirty with {len(state.dirty)} keys",
    )


def _check_dirty_has_all(state: _State, excused: AbstractSet[Entry[Any]]) -> None:
    for key, entry in state.m.items():
        if state.dirty.get(key) is not entry and entry not in state.expunged and entry not in excused:
            raise _not_shared(state, key, entry)


def _not_shared(state: _State, key: Any, entry: Entry[Any]) -> AssertionError:
    """For an entry that is not expunged."""
    invariant, said = ("I4", "deleted") if entry in state.deleted else ("I2", "live")
    return AssertionError(f"{invariant}: the entry of {key!r} is {said} in read, but dirty does not hold it")


def _check_change(last: _State, state: _State) -> None:
    """What one access may change."""
    _check_guarded(last, state)
    _check_expunging(last, state)
    if not state.read.amended and state.dirty_map is not state.read.m:
        for key in state.dirty.keys() - last.dirty.keys():
            if key not in state.m:
                raise AssertionError(f"I1: dirty got the new key {key!r}, but read is not amended")
    if state.read.m is not last.read.m and state.m:
        for key, entry in (last.dirty if last.read.amended else last.m).items():
            if state.m.get(key) is not entry:
                raise AssertionError(f"I1: the new read lacks the entry of {key!r}")
    require(state.misses in (0, last.misses, last.misses + 1), "I7: more than one miss was counted at once")


def _check_guarded(last: _State, state: _State) -> None:
    changed = {
        "read": state.read is not last.read,
        "dirty": state.dirty_map is not last.dirty_map or state.dirty != last.dirty,
        "misses": state.misses != last.misses,
    }
    for name, has_changed in changed.items():
        require(state.locked or not has_changed, f"mu is free, but {name} changed")


def _check_expunging(last: _State, state: _State) -> None:
    """I6. An entry that was seen for the first time just now was not expunged before."""
    for entry in state.expunged - last.expunged:
        require(state.locked, "I6: an entry was expunged, but mu is free")
        require(entry in last.deleted, "I6: an entry was expunged that had not been deleted")
    reachable = {*state.m.values(), *state.dirty.values()}
    for entry in (last.expunged - state.expunged) & reachable:
        require(state.locked, "I6: an entry is no longer expunged, but mu is free")
        require(entry in state.deleted, "I6: an expunged entry got a value before it was made a deleted one")
