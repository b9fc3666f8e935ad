"""Values of the code under test as text, without running any of its code.

The idea: only exact builtin types are looked into, and only by their own methods; anything else is its type's name and
a number, in the order of appearance, so that one object is seen to be the same. A look-up compares builtin keys alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

LONGEST = 40
"""Characters of one value."""

_ITEMS = 4
_DEPTH = 3

_PLAIN: Final = (int, float, complex, bool, type(None), str, bytes)

_NAME_OF_CLASS: Final = type.__dict__["__name__"]

_MOST_SEARCHED = 1_000
"""Items of a container that are compared in a look-up."""


class _Mark:
    def __init__(self, word: str) -> None:
        self.word = word


ABSENT: Final = _Mark("absent")
"""What a look-up answers where there is nothing."""

UNKNOWN: Final = _Mark("unknown")
"""What cannot be known without running code under test."""


class Names:
    """Texts of values, and the numbers of objects. It keeps the objects that it was shown alive: a number must not be
    given to another object later."""

    def __init__(self) -> None:
        self._numbers: dict[int, tuple[str, object]] = {}
        self._counts: dict[str, int] = {}

    def text(self, value: object) -> str:
        """At most LONGEST characters."""
        if value is ABSENT:
            return ABSENT.word
        return shortened(self._text(value, _DEPTH))

    def number(self, value: object, kind: str) -> str:
        """`kind#1` for the first object of a kind, `kind#2` for the next."""
        known = self._numbers.get(id(value))
        if known is None:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._numbers[id(value)] = (f"{kind}#{count}", value)
        return known[0]

    def _text(self, value: object, depth: int) -> str:
        kind = type(value)
        if kind in _PLAIN:
            return _plain(value)
        if kind in (FunctionType, BuiltinFunctionType):
            return str(getattr(value, "__name__", "function"))
        if issubclass(kind, type):
            return str(_NAME_OF_CLASS.__get__(value))
        texts = _TEXTS.get(kind)
        if texts is None:
            return self.number(value, _NAME_OF_CLASS.__get__(kind))
        if depth == 0:
            return "…"
        return texts(value, lambda item: self._text(item, depth - 1))


def shortened(text: str, most: int = LONGEST) -> str:
    """The text, its end cut off if it is too long."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain(value: object) -> str:
    if type(value) is int and value.bit_length() > 128:  # str() of it may be refused
        return f"an int of {value.bit_length()} bits"
    if type(value) in (str, bytes):
        value = value[: LONGEST + 1]  # type: ignore[index]
    return repr(value)


def _listed(items: Iterable[Any], size: int, each: Callable[[Any], str]) -> str:
    shown = [each(item) for item, _ in zip(items, range(_ITEMS), strict=False)]
    return ", ".join([*shown, "…"] if size > _ITEMS else shown)


def _dict(value: Any, each: Callable[[object], str]) -> str:
    return "{" + _listed(value.items(), len(value), lambda pair: f"{each(pair[0])}: {each(pair[1])}") + "}"


def _set(value: Any, each: Callable[[object], str]) -> str:
    """Sorted by their texts: the order of a set of texts is another one in each process."""
    return "{" + _listed(sorted(map(each, value)), len(value), str) + "}" if value else "set()"


def _tuple(value: Any, each: Callable[[object], str]) -> str:
    return f"({_listed(value, len(value), each)}{',' * (len(value) == 1)})"


_TEXTS: Final[dict[type, Callable[[Any, Callable[[object], str]], str]]] = {
    dict: _dict,
    set: _set,
    frozenset: _set,
    tuple: _tuple,
    list: lambda value, each: f"[{_listed(value, len(value), each)}]",
}


def static(kind: type, name: str) -> Any:
    """What the class, or one that it inherits from, has under that name; no descriptor is asked."""
    for base in type.__getattribute__(kind, "__mro__"):
        found = type.__getattribute__(base, "__dict__").get(name, ABSENT)
        if found is not ABSENT:
            return found
    return ABSENT


def attribute(value: object, name: str) -> Any:
    """What `value.name` is, if it is kept in the object, its class or a slot; UNKNOWN if code would have to run."""
    if static(type(value), "__getattribute__") not in _USUAL:
        return UNKNOWN
    on_class = static(type(value), name)
    if type(on_class) is _SLOT:
        try:
            return on_class.__get__(value)
        except AttributeError:
            return ABSENT
    if on_class is not ABSENT and static(type(on_class), "__set__") is not ABSENT:
        return UNKNOWN
    instance = _instance_dict(value)
    if instance is not None and name in instance:
        return instance[name]
    if on_class is ABSENT or static(type(on_class), "__get__") is not ABSENT:
        return UNKNOWN
    return on_class


_USUAL: Final = frozenset(
    static(kind, "__getattribute__") for kind in (object, dict, list, set, frozenset, tuple, int, str)
)
"""How attributes are looked up unless a class says otherwise. Builtin types have each their own, all the same."""


class _Slotted:
    __slots__ = ("slot",)


_SLOT: Final = type(_Slotted.__dict__["slot"])


def _instance_dict(value: object) -> dict[str, Any] | None:
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def is_plain(value: object) -> bool:
    """Whether its methods, comparisons among them, are the interpreter's own."""
    return type(value) in _PLAIN


def looked_up(container: Any, key: Any) -> Any:
    """What a dictionary holds under the key, or ABSENT; UNKNOWN if code would have to run to tell."""
    if not is_plain(key) or dict.__len__(container) > _MOST_SEARCHED:
        return UNKNOWN
    found: Any = ABSENT
    for other, value in dict.items(container):
        if other is key or (is_plain(other) and other == key):
            return value
        if not is_plain(other):
            found = UNKNOWN
    return found


def inherits(value: object, builtin: type, *methods: str) -> bool:
    """Whether the value is of that builtin type or a subclass that has left these methods alone."""
    return issubclass(type(value), builtin) and all(
        static(type(value), method) is static(builtin, method) for method in methods
    )
