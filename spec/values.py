"""When two keys or two values are the same, for histories of any language.

The idea: Python says `1 == True` and cannot hash a list; JSON and Go disagree. `identity` maps a value to
something hashable that is equal exactly for values that are the same: numbers by value, booleans apart from
numbers, lists and objects by content, a subclass of `int` or `str` as that, anything else by its own equality or, unhashable, by being that object.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any


class _Absent:
    """The state of a key that is not in the map; `None` is a value like any other."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


def identity(value: Any) -> Hashable:
    """A hashable stand-in: `identity(a) == identity(b)` exactly when a history may take a for b."""
    kind = type(value)
    if kind is int or kind is str or value is None:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return ("bool", value)
    if kind is float:
        return ("nan",) if math.isnan(value) else value
    if kind is list or kind is tuple:
        return ("list", *map(identity, value))
    if kind is dict:
        return ("object", frozenset((identity(k), identity(v)) for k, v in value.items()))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    try:
        hash(value)
    except TypeError:
        return ("instance", id(value))
    return ("other", value)
