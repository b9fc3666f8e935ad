"""How a map is called, found out by calling a new one once in every form, in a thread like any other.

The idea: what the map does not accept is left out and named, so that nothing is reported as a bug that the library
does not offer. The process is expendable here, so no simulation stands around the calls, and maps may do what one
would not follow: start threads, use locks written in C.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from mapproof.spec.claims import Claims
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import Adapter, Form, UnsuitableTarget, adapter_for
from mapproof.stateful_tests.real_threads.keys import with_yielding_keys
from mapproof.stateful_tests.real_threads.plan import MOST_KEYS, Step

_NOT_OFFERED = (TypeError, AttributeError, NotImplementedError)

Trying = Callable[[Step], None]
"""Told each call before it is made."""


@dataclass(frozen=True, slots=True)
class Probed:
    """`keys` are those that the map accepts, `files` the Python that it and its package are written in, if any."""

    adapter: Adapter
    keys: tuple[Any, ...]
    claims: Claims
    files: frozenset[str]


def probe(
    factory: Callable[[], Any],
    name: str,
    ops: Iterable[Op] | None,
    atomic: Iterable[Op],
    trying: Trying,
    yielding_keys: bool = False,
) -> Probed:
    """What `factory` makes. Raises UnsuitableTarget if it is no map that can be driven."""
    sample = _made(factory, name)
    found = adapter_for(sample)
    if yielding_keys:
        found = with_yielding_keys(found)
    keys = keys_of(text=not _takes_numbers(factory, found, trying))
    adapter = _accepted(factory, found, keys[0], name, trying)
    claims = getattr(type(sample), "claims", None)
    return Probed(
        adapter=_chosen(adapter, ops, name),
        keys=keys,
        claims=(claims if isinstance(claims, Claims) else Claims()).with_atomic(frozenset(atomic)),
        files=frozenset(_files(type(sample), factory)),
    )


def keys_of(*, text: bool) -> tuple[Any, ...]:
    """The keys that places stand for: whole numbers, or text for a map that takes none."""
    return tuple(f"k{place}" if text else place for place in range(MOST_KEYS))


def _made(factory: Callable[[], Any], name: str) -> Any:
    try:
        return factory()
    except BaseException as error:
        raise UnsuitableTarget(f"{name}: making one raised {type(error).__name__}: {error}") from error


def _takes_numbers(factory: Callable[[], Any], adapter: Adapter, trying: Trying) -> bool:
    return Op.STORE not in adapter.forms or _refusal(factory, adapter, Op.STORE, 0, 0, trying) is None


def _accepted(factory: Callable[[], Any], adapter: Adapter, key: Any, name: str, trying: Trying) -> Adapter:
    forms: dict[Op, tuple[Form, ...]] = {}
    left_out: list[str] = []
    for op, candidates in adapter.forms.items():
        kept = []
        for number, form in enumerate(candidates):
            if reason := _refusal(factory, adapter, op, number, key, trying):
                left_out.append(f"{form.text.format('v', 'w', k='k')} ({reason})")
            else:
                kept.append(form)
        if kept:
            forms[op] = tuple(kept)
    if not {Op.STORE, Op.LOAD_OR_STORE, Op.SWAP} & forms.keys():
        raise UnsuitableTarget(f"{name}: nothing can be stored in it: {'; '.join(left_out)}")
    return Adapter(adapter.style, forms, tuple(left_out))


def _chosen(adapter: Adapter, ops: Iterable[Op] | None, name: str) -> Adapter:
    if ops is not None:
        wanted = frozenset(ops)
        if missing := sorted(wanted - adapter.forms.keys()):
            raise UnsuitableTarget(
                f"{name} does not offer {', '.join(missing)}; it offers {', '.join(adapter.forms)}"
            )
        adapter = adapter.only(wanted)
    if not adapter.forms:
        raise UnsuitableTarget(f"{name}: no operation is left to test")
    return adapter


def _refusal(
    factory: Callable[[], Any], adapter: Adapter, op: Op, form: int, key: Any, trying: Trying
) -> str | None:
    """Why a new map does not take this call, or None if it does (a wrong answer is mostly for later)."""
    step = Step(op, form, 0 if SIGNATURES[op].keyed else -1, (1, 2)[: len(SIGNATURES[op].arguments)])
    trying(step)
    try:
        answer = adapter.perform(factory(), op, key, step.args, form)
    except _NOT_OFFERED as error:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - anything else is a finding, which the rounds will make
        return None
    if op in (Op.LEN, Op.RANGE) and answer:
        raise UnsuitableTarget(f"a new one is not empty: {op} answered {_cut(repr(answer))}")
    if op is Op.LOAD and isinstance(answer, tuple) and answer[1:] == (True,):
        return f"a missing key answered {_cut(repr(answer[0]))}"
    return None


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


# -- the Python that it is written in


def _files(kind: type, factory: Callable[[], Any]) -> Iterator[str]:
    """Of its classes' methods, and of the packages that they and the factory are part of."""
    names = {base.__module__ for base in kind.__mro__} - {"builtins", "typing", "abc"}
    if isinstance(factory, FunctionType):
        names.add(factory.__module__)
    for base in kind.__mro__:
        if base.__module__ in names:
            yield from (code.co_filename for code in _codes(base))
    packages = {_package(name) for name in names} - sys.stdlib_module_names
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if _package(name) in packages and file is not None:
            yield file


def _package(module: str) -> str:
    """The top-level package; the kit is none of its maps."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "mapproof" else parts[0]


def _codes(kind: type) -> Iterator[CodeType]:
    for value in vars(kind).values():
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        # A decorated method may be a function of the decorator's file: contextlib's, say.
        function = inspect.unwrap(function) if callable(function) else function
        if isinstance(function, FunctionType):
            yield function.__code__
