"""The object under test as text, between two steps.

The idea: what is asked for is a look, not a call, so none of the object's own code runs: its attributes, and what its
primitives hold, are taken from where they are kept. Who wants to see something else gives a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from mapproof.stateful_tests.trace.values import ABSENT, Names, attribute, inherits, shortened, static

Picture: TypeAlias = Callable[[Any, Names], str]
"""Makes the text of an object."""

LONGEST = 300
"""Characters of one state."""


def attributes(made: Any, names: Names) -> str:
    """What the object is made of: the items of a dictionary, and the attributes."""
    parts = [names.text(dict(dict.items(made)))] if inherits(made, dict, "items") else []
    parts += [f"{name} = {_text(value, names)}" for name, value in _attributes(made)]
    return shortened(", ".join(parts), LONGEST)


def given(tell: Callable[[Any], object]) -> Picture:
    """What the function answers. It must neither wait nor change anything, nor access a primitive of `impl.sync`
    but by `peek`; if it raises, that is the state."""

    def picture(made: Any, names: Names) -> str:
        try:
            told = tell(made)
        except Exception as error:  # noqa: BLE001 - whatever it raises is shown
            return f"the state could not be told: {type(error).__name__}: {error}"
        return shortened(told if isinstance(told, str) else names.text(told), LONGEST)

    return picture


def _attributes(made: Any) -> Iterator[tuple[str, Any]]:
    """Those in the slots of its classes, then those of its own."""
    found: dict[str, Any] = {}
    for kind in reversed(type(made).__mro__):
        slots = static(kind, "__slots__") if "__slots__" in kind.__dict__ else ()
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            found[name] = attribute(made, name)
    own = static(type(made), "__dict__")
    if own is not ABSENT:
        found |= object.__getattribute__(made, "__dict__")
    yield from ((name, value) for name, value in found.items() if value is not ABSENT and name[:2] != "__")


def _text(value: Any, names: Names) -> str:
    """What a primitive holds, in place of the primitive."""
    if type(value).__module__ == "mapproof.impl.sync":
        peek = getattr(value, "peek", None)
        if peek is not None:
            return names.text(peek())
        if hasattr(value, "holder"):
            return "free" if value.holder is None else f"held by client {value.holder}"
    return names.text(value)
