"""Stands in front of a map and has each call of it recorded: `WatchedDict` for dict-like maps, `WatchedGo` for Go-like.

The idea: a call keeps its raw answer, and a `Form` beside it says later what that answer tells of the map: that
`m[k]` raised KeyError is an answer (the key was missing), that `k in m` was true tells no value. Where an answer
tells less than the format can hold, less is recorded, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from operator import contains, delitem, getitem, setitem
from typing import Any, Final, Protocol

from mapproof.spec.operations import SIGNATURES, Op, Shape

Told = tuple[Any, Any]
"""(the operation that a call amounts to, its answer)."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to call an operation.

    `told` maps the arguments after the key and the raw answer to what is recorded, None for nothing;
    `on_key_error` is what a KeyError says, None if it is an exception like any other.
    """

    op: Any
    told: Callable[[tuple[Any, ...], Any], Told | None]
    on_key_error: Told | None = None


class Client(Protocol):
    """What a watched map asks of the recorder's client of the running thread."""

    def record(self, form: Form, key: Any, args: tuple[Any, ...], function: Any, /, *given: Any) -> Any: ...


class Mine(Protocol):
    """Has the client of the running thread."""

    @property
    def client(self) -> Client: ...


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""The default passed to `get` and `pop`, so that a stored None is not taken for absence."""

_NOT_THERE: Final = (None, False)


def _found(op: Op) -> Callable[[tuple[Any, ...], Any], Told]:
    return lambda args, raw: (op, _NOT_THERE if raw is MISSING else (raw, True))


def _nothing(op: Op) -> Callable[[tuple[Any, ...], Any], Told]:
    return lambda args, raw: (op, None)


@cache
def as_it_is(op: Any) -> Form:
    """The form of a call that answers in the shape of the format: Go-like maps, and operations told by hand."""
    shape = SIGNATURES[op].result if op in SIGNATURES else None
    if shape is Shape.NOTHING:
        return Form(op, _nothing(op))
    if shape in (Shape.VALUE_OK, Shape.ACTUAL_LOADED):
        return Form(op, lambda args, raw: (op, tuple(raw) if isinstance(raw, list) else raw))
    return Form(op, lambda args, raw: (op, raw))


STORED: Final = as_it_is(Op.STORE)
SET_DEFAULT: Final = Form(Op.LOAD_OR_STORE, lambda args, raw: (Op.LOAD_OR_STORE, (raw, raw is not args[0])))
_LOADED: Final = Form(Op.LOAD, _found(Op.LOAD), (Op.LOAD, _NOT_THERE))
_CONTAINED: Final = Form(Op.LOAD, lambda args, raw: None if raw else (Op.LOAD, _NOT_THERE))
_POPPED: Final = Form(Op.LOAD_AND_DELETE, _found(Op.LOAD_AND_DELETE), (Op.LOAD_AND_DELETE, _NOT_THERE))
_DELETED: Final = Form(Op.DELETE, _nothing(Op.DELETE), (Op.LOAD_AND_DELETE, _NOT_THERE))


class _Watched:
    """Refuses what is not recorded: a change that the history does not have would look like a bug of the map."""

    __slots__ = ("_mine", "_target")

    def __init__(self, target: Any, mine: Mine) -> None:
        self._target = target
        self._mine = mine

    def __len__(self) -> int:
        answer: int = self._mine.client.record(as_it_is(Op.LEN), None, (), len, self._target)
        return answer

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name!r} cannot be recorded, and a watched map has only what can")


class WatchedDict(_Watched):
    """A dict-like map. Iterating keys or values is passed on unrecorded: it changes nothing."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        return self._mine.client.record(_LOADED, key, (), getitem, self._target, key)

    def get(self, key: Any, default: Any = None) -> Any:
        answer = self._mine.client.record(_LOADED, key, (), self._target.get, key, MISSING)
        return default if answer is MISSING else answer

    def __contains__(self, key: Any) -> bool:
        answer: bool = self._mine.client.record(_CONTAINED, key, (), contains, self._target, key)
        return answer

    def __setitem__(self, key: Any, value: Any) -> None:
        self._mine.client.record(STORED, key, (value,), setitem, self._target, key, value)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        setdefault = self._target.setdefault
        return self._mine.client.record(SET_DEFAULT, key, (default,), setdefault, key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        given = (MISSING,) if default else ()
        answer = self._mine.client.record(_POPPED, key, (), self._target.pop, key, *given)
        return default[0] if answer is MISSING else answer

    def __delitem__(self, key: Any) -> None:
        self._mine.client.record(_DELETED, key, (), delitem, self._target, key)

    def clear(self) -> None:
        self._mine.client.record(as_it_is(Op.CLEAR), None, (), self._target.clear)

    def items(self) -> list[tuple[Any, Any]]:
        """The pairs, all at once: a loop that is left early would record an operation that never ended."""
        pairs: list[tuple[Any, Any]] = self._mine.client.record(
            as_it_is(Op.RANGE), None, (), lambda: list(self._target.items())
        )
        return pairs

    def __iter__(self) -> Iterator[Any]:
        return iter(self._target)

    def keys(self) -> Any:
        return self._target.keys()

    def values(self) -> Any:
        return self._target.values()


def _go_method(op: Op) -> Callable[..., Any]:
    form, name = as_it_is(op), op.value

    def on_key(self: _Watched, key: Any, *args: Any) -> Any:
        return self._mine.client.record(form, key, args, getattr(self._target, name), key, *args)

    def on_map(self: _Watched) -> Any:
        return self._mine.client.record(form, None, (), getattr(self._target, name))

    def pairs(self: _Watched) -> Any:
        function = self._target.range
        return self._mine.client.record(form, None, (), lambda: list(function()))

    return pairs if op is Op.RANGE else on_key if SIGNATURES[op].keyed else on_map


WatchedGo: Final = type(
    "WatchedGo",
    (_Watched,),
    {
        "__doc__": "A Go-like map: the methods that `spec.operations` names.",
        "__slots__": (),
        **{op.value: _go_method(op) for op in Op},
    },
)


def watched(target: Any, mine: Mine) -> tuple[Any, list[tuple[Any, Any]]]:
    """(the stand-in for a map, the pairs already in the map). Raises TypeError, one line, if it is no map."""
    kind = type(target)
    if hasattr(kind, "load") and hasattr(kind, "store"):
        return WatchedGo(target, mine), list(target.range()) if hasattr(kind, "range") else []
    if not (hasattr(kind, "__getitem__") and hasattr(kind, "__setitem__")):
        raise TypeError(f"{kind.__qualname__} is no map: it has neither m[k] and m[k] = v nor load and store")
    if hasattr(kind, "__missing__"):
        raise TypeError(
            f"{kind.__qualname__} cannot be watched: its __missing__ answers m[k] with what was never stored"
        )
    return WatchedDict(target, mine), list(target.items()) if hasattr(kind, "items") else []
