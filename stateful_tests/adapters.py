"""How the operations of the model are called on somebody's map, found by looking at the object.

The idea: a map is tested as its users call it. A dict-like map has several ways to say one operation (`m.pop(k)`
and `m.pop(k, d)` are often different code), so an operation has one or more forms, each a few words of Python
and a function that turns its outcome into the model's answer. A form that the map does not have is left out and
named; it is never counted as tested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mapproof.spec.operations import SIGNATURES, Op, Shape


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""The default that is passed where a dict-like map takes one, so that a stored None is not taken for absence."""

Perform = Callable[[Any, Any, tuple[Any, ...]], Any]


@dataclass(frozen=True, slots=True)
class Form:
    """One way to call an operation: `text` for people (`{k}`, `{0}`, `{1}` stand for key and arguments)."""

    text: str
    perform: Perform


Forms = Mapping[Op, tuple[Form, ...]]


class UnsuitableTarget(Exception):
    """The object is no map that can be driven. The text is one line for its author."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """The forms that a map has. `left_out` says in words what was not found or did not accept a call."""

    style: str
    forms: Forms
    left_out: tuple[str, ...] = field(default=())

    def render(self, op: Op, key: Any, args: tuple[Any, ...], form: int) -> str:
        """The call as its user would write it."""
        return self.forms[op][form].text.format(*map(repr, args), k=repr(key))

    def perform(self, target: Any, op: Op, key: Any, args: tuple[Any, ...], form: int) -> Any:
        """Call the operation; answers in the shape that `SIGNATURES` gives, if the map is right."""
        answer = self.forms[op][form].perform(target, key, args)
        if isinstance(answer, list) and SIGNATURES[op].result is not Shape.PAIRS:
            return tuple(answer)
        return answer

    def told(self, op: Op, answer: Any) -> str:
        """What the call answered, as its user would see it."""
        shape = SIGNATURES[op].result
        if shape is Shape.NOTHING:
            return "done"
        if shape is Shape.VALUE_OK and not answer[1]:
            return "→ absent"
        if shape in (Shape.VALUE_OK, Shape.ACTUAL_LOADED) and self.style == "dict-like":
            return f"→ {answer[0]!r}"
        return f"→ {answer!r}"

    def only(self, ops: frozenset[Op]) -> Adapter:
        """The same map, with these operations alone."""
        return Adapter(
            self.style, {op: forms for op, forms in self.forms.items() if op in ops}, self.left_out
        )


def adapter_for(target: Any) -> Adapter:
    """The adapter for a Go-like or dict-like object. Raises UnsuitableTarget."""
    if _has(target, "load") and _has(target, "store"):
        return Adapter("Go-like", {op: forms for op, forms in _go_forms(target).items() if forms})
    if _has(target, "__getitem__") and _has(target, "__setitem__"):
        return Adapter("dict-like", {op: forms for op, forms in _dict_forms(target).items() if forms})
    raise UnsuitableTarget(
        f"{type(target).__module__}.{type(target).__qualname__} is not a map: it has neither m[k] and m[k] = v "
        "nor load(k) and store(k, v)"
    )


def _has(target: Any, name: str) -> bool:
    return callable(getattr(type(target), name, None) or getattr(target, name, None))


# -- dict-like maps


def _found(value: Any) -> tuple[Any, bool]:
    return (None, False) if value is MISSING else (value, True)


def _load_item(m: Any, k: Any, args: tuple[Any, ...]) -> Any:
    try:
        return (m[k], True)
    except KeyError:
        return (None, False)


def _store_item(m: Any, k: Any, args: tuple[Any, ...]) -> None:
    m[k] = args[0]


def _delete_item(m: Any, k: Any, args: tuple[Any, ...]) -> None:
    try:
        del m[k]
    except KeyError:
        return


def _pop_item(m: Any, k: Any, args: tuple[Any, ...]) -> Any:
    try:
        return (m.pop(k), True)
    except KeyError:
        return (None, False)


def _set_default(m: Any, k: Any, args: tuple[Any, ...]) -> Any:
    actual = m.setdefault(k, args[0])
    return (actual, actual is not args[0])


def _nothing(ignored: Any) -> None:
    return None


_DICT_FORMS: Final[Mapping[Op, tuple[tuple[str, Form], ...]]] = {
    Op.LOAD: (
        ("get", Form("m.get({k}, MISSING)", lambda m, k, args: _found(m.get(k, MISSING)))),
        ("__getitem__", Form("m[{k}]", _load_item)),
    ),
    Op.STORE: (("__setitem__", Form("m[{k}] = {0}", _store_item)),),
    Op.LOAD_OR_STORE: (("setdefault", Form("m.setdefault({k}, {0})", _set_default)),),
    Op.LOAD_AND_DELETE: (
        ("pop", Form("m.pop({k}, MISSING)", lambda m, k, args: _found(m.pop(k, MISSING)))),
        ("pop", Form("m.pop({k})", _pop_item)),
    ),
    Op.DELETE: (("__delitem__", Form("del m[{k}]", _delete_item)),),
    Op.CLEAR: (("clear", Form("m.clear()", lambda m, k, args: _nothing(m.clear()))),),
    Op.LEN: (("__len__", Form("len(m)", lambda m, k, args: len(m))),),
    Op.RANGE: (
        ("items", Form("list(m.items())", lambda m, k, args: [list(pair) for pair in list(m.items())])),
    ),
}


def _dict_forms(target: Any) -> Forms:
    return {
        op: tuple(form for name, form in forms if _has(target, name)) for op, forms in _DICT_FORMS.items()
    }


# -- Go-like maps


def _go_forms(target: Any) -> Forms:
    forms = {op: (_go_form(op),) for op in Op if _has(target, op.value)}
    if Op.LEN not in forms and _has(target, "__len__"):
        forms[Op.LEN] = (Form("len(m)", lambda m, k, args: len(m)),)
    return forms


def _go_form(op: Op) -> Form:
    signature = SIGNATURES[op]
    given = [*(["{k}"] if signature.keyed else []), *(f"{{{i}}}" for i in range(len(signature.arguments)))]
    text = f"m.{op}({', '.join(given)})"
    if op is Op.RANGE:
        return Form(text, lambda m, k, args: [list(pair) for pair in m.range()])
    if signature.keyed:
        return Form(text, lambda m, k, args: getattr(m, op.value)(k, *args))
    return Form(text, lambda m, k, args: getattr(m, op.value)(*args))
