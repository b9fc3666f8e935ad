"""An access of a primitive of `impl.sync`, with what it reads or writes.

The idea: a watcher is told of an access just before it happens and nothing comes between, so what the primitive holds
now is what will be read, and the arguments stand in the frame of its method. Both are had without the hook's notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

from mapproof.stateful_tests.trace.events import Touch
from mapproof.stateful_tests.trace.values import UNKNOWN, Names, looked_up


def touched(touch: Touch, target: object, frame: FrameType, names: Names) -> Touch:
    """The same with what the running thread, in whose method of the primitive `frame` is, is about to do."""
    peek = getattr(target, "peek", None)
    method, given = ("", {}) if peek is None else _call(target, frame)
    told = _TOLD.get(method)
    if told is None or peek is None:
        return touch
    args, value, words = told(given, peek())
    texts = tuple(names.text(argument) for argument in args)
    text = None if value is UNKNOWN else names.text(value)
    return Touch(touch.kind, touch.name, texts, text, note=touch.note + words(texts, text))


def with_outcome(touch: Touch, happened: bool) -> Touch:
    """The same when it is known whether the compare-and-swap or the try took effect."""
    failed = f", failed: it is {touch.value}" if touch.value is not None else ", failed"
    note = touch.note + (", done" if happened else failed)
    return Touch(touch.kind, touch.name, touch.args, touch.value, happened, note)


def _call(target: object, frame: FrameType) -> tuple[str, Mapping[str, Any]]:
    """The method of the primitive that is running, and its variables."""
    found: FrameType | None = frame
    while found is not None:
        if found.f_locals.get("self") is target:
            return found.f_code.co_name, found.f_locals
        found = found.f_back
    return "", {}


Words = Callable[[tuple[str, ...], str | None], str]
Told = Callable[[Mapping[str, Any], Any], tuple[tuple[Any, ...], Any, Words]]
"""From the method's variables and what the primitive holds: the arguments that matter, the value read or written, and
both in words."""


def _reads(args: tuple[str, ...], value: str | None) -> str:
    where = f" [{args[0]}]" if args else ""
    return where if value is None else f"{where} → {value}"


def _writes(args: tuple[str, ...], value: str | None) -> str:
    where = f" [{args[0]}]" if args else ""
    return where if value is None else f"{where} := {value}"


def _swaps(args: tuple[str, ...], value: str | None) -> str:
    return f" {args[0]} → {value}"


_TOLD: Final[Mapping[str, Told]] = {
    "load": lambda given, now: ((), now, _reads),
    "read": lambda given, now: ((), now, _reads),
    "store": lambda given, now: ((), given["value"], _writes),
    "write": lambda given, now: ((), given["value"], _writes),
    "swap": lambda given, now: ((given["value"],), now, _swaps),
    "compare_and_swap": lambda given, now: (
        (given["old"], given["new"]),
        now,
        lambda args, value: f" {args[0]} by {args[1]}",
    ),
    "add": lambda given, now: ((given["delta"],), now + given["delta"], _swaps),
    "atomic_or": lambda given, now: ((given["bits"],), now | given["bits"], _swaps),
    "get": lambda given, now: ((given["key"],), looked_up(now, given["key"]), _reads),
    "__setitem__": lambda given, now: ((given["key"],), given["value"], _writes),
    "__len__": lambda given, now: ((), len(now), lambda args, value: f" len → {value}"),
    "pop": lambda given, now: (
        (given["key"],),
        looked_up(now, given["key"]),
        lambda args, value: f" pop [{args[0]}]" + ("" if value is None else f" → {value}"),
    ),
    "clear": lambda given, now: ((), UNKNOWN, lambda args, value: " clear"),
}
