"""Turns a class or a factory into a target: how to call it, where to switch threads in it, what it claims.

The idea: look before testing. A fresh map is called once in every form, inside a simulation so that even a map
that blocks itself cannot hang us; what it does not accept is left out and named, so that the kit never reports
as a bug what the library does not offer.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mapproof.impl.sync import watched_by
from mapproof.spec.claims import Claims
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import Adapter, Form, UnsuitableTarget, adapter_for
from mapproof.stateful_tests.execution import NO_ANSWERS, Target
from mapproof.stateful_tests.explorer.cooperative_threading import patched
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.explorer.watchdog import Stalled, watchdog
from mapproof.stateful_tests.scenarios import KEYS

_NOT_OFFERED = (TypeError, AttributeError, NotImplementedError)

_WITHOUT_METHODS = ("builtins", "typing", "abc")
"""Modules of bases that have no operation of a map in them; `typing.Generic` is in typing."""

_REFERENCE_MAPS = "mapproof.impl."
"""Code under this name stops at the hook of `impl.sync`, so its instructions need no events."""


def target_of(
    factory: Callable[[], Any],
    name: str,
    ops: Iterable[Op] | None = None,
    atomic: Iterable[Op] = (),
    trace: Iterable[str] = (),
) -> Target:
    """The target that `factory` makes. `trace` names modules or packages whose instructions are switch points besides
    those of the map's own package. Raises UnsuitableTarget if it makes no map that can be driven, or if a module
    cannot be imported.
    """
    with patched():
        sample = _make(factory, name)
    own, more = tuple(_modules(type(sample), factory)), tuple(modules_named(trace))
    modules = tuple(dict.fromkeys((*own, *more)))
    with patched(modules):
        adapter, keys = _probe(factory, adapter_for(sample), name)
    return Target(
        name=name,
        factory=factory,
        adapter=_chosen(adapter, ops, name),
        keys=keys,
        claims=_claims(sample, atomic),
        files=_files(type(sample), own) | files_of(more),
        modules=modules,
    )


def _make(factory: Callable[[], Any], name: str) -> Any:
    made: list[Any] = []
    try:
        _alone(lambda: made.append(factory()))
    except NO_ANSWERS:
        raise
    except BaseException as error:
        raise UnsuitableTarget(f"{name}: making one raised {type(error).__name__}: {error}") from error
    if not made:
        raise UnsuitableTarget(f"{name}: to make one never ends")
    return made[0]


def _alone(task: Callable[[], None]) -> None:
    """Run it as the one thread of a simulation, which nothing can block; it may not come to its end."""
    simulation = Simulation()
    with watched_by(simulation), watchdog():
        try:
            simulation.run({0: task}, Replay(Schedule()))
        finally:
            simulation.finish()


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


def _claims(sample: Any, atomic: Iterable[Op]) -> Claims:
    claims = getattr(type(sample), "claims", None)
    return (claims if isinstance(claims, Claims) else Claims()).with_atomic(frozenset(atomic))


# -- where to switch threads


def _modules(kind: type, factory: Callable[[], Any]) -> Iterator[ModuleType]:
    """The modules of the class and its bases, the factory's, and the rest of the packages they are part of."""
    names = {base.__module__ for base in kind.__mro__}
    if isinstance(factory, FunctionType):
        names.add(factory.__module__)
    packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"mapproof"}
    for name, module in sorted(sys.modules.items()):
        own = name in names and name not in _WITHOUT_METHODS
        if own or name.partition(".")[0] in packages:
            yield module


def modules_named(names: Iterable[str]) -> Iterator[ModuleType]:
    """These modules, and the rest of those that are packages. Raises UnsuitableTarget for one that is not there."""
    for wanted in sorted(names):
        if wanted not in sys.modules:
            _import(wanted)
        for name, module in sorted(sys.modules.items()):
            if name == wanted or name.startswith(f"{wanted}."):
                yield module


def _import(name: str) -> None:
    with patched():
        try:
            importlib.import_module(name)
        except Exception as error:
            raise UnsuitableTarget(f"cannot import {name}: {type(error).__name__}: {error}") from error


def files_of(modules: Iterable[ModuleType]) -> frozenset[str]:
    """Their source files, as far as their instructions can be switch points."""
    files = {getattr(module, "__file__", None) or "" for module in modules if _is_foreign(module.__name__)}
    return frozenset(files - _NO_FILES)


def _files(kind: type, modules: Iterable[ModuleType]) -> frozenset[str]:
    """Source files whose instructions are switch points. Files are named as the code objects name them."""
    own = {code.co_filename for base in kind.__mro__ if _is_foreign(base.__module__) for code in _codes(base)}
    foreign = (m for m in modules if m.__name__.partition(".")[0] not in sys.stdlib_module_names)
    return files_of(foreign) | (own - _NO_FILES)


_NO_FILES = {"", "<string>"}
"""What code that no file holds is said to be from: that of `python -c`, but also of every dataclass."""


def _is_foreign(module: str) -> bool:
    return not module.startswith(_REFERENCE_MAPS) and module not in _WITHOUT_METHODS


def _codes(kind: type) -> Iterator[CodeType]:
    for value in vars(kind).values():
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        # A decorated method may be a function of the decorator's file: contextlib's, say.
        function = inspect.unwrap(function) if callable(function) else function
        if isinstance(function, FunctionType):
            yield function.__code__


# -- what it accepts


_STORES = frozenset({Op.STORE, Op.LOAD_OR_STORE, Op.SWAP})


def _probe(factory: Callable[[], Any], adapter: Adapter, name: str) -> tuple[Adapter, tuple[Any, ...]]:
    keys = _accepted_keys(factory, adapter)
    forms: dict[Op, tuple[Form, ...]] = {}
    left_out: list[str] = []
    for op, candidates in adapter.forms.items():
        kept = []
        for number, form in enumerate(candidates):
            if reason := _refusal(factory, adapter, op, number, keys[0]):
                left_out.append(f"{form.text.format('v', 'w', k='k')} ({reason})")
            else:
                kept.append(form)
        if kept:
            forms[op] = tuple(kept)
    if not _STORES & forms.keys():
        raise UnsuitableTarget(f"{name}: nothing can be stored in it: {'; '.join(left_out)}")
    return Adapter(adapter.style, forms, tuple(left_out)), keys


def _accepted_keys(factory: Callable[[], Any], adapter: Adapter) -> tuple[Any, ...]:
    """Whole numbers if the map takes them (their hashes are the same in every process), else text.

    A map that drops numbers without a word, and keeps text, is one of text.
    """
    numbers: tuple[Any, ...] = tuple(range(KEYS))
    texts = tuple(f"k{i}" for i in numbers)
    if Op.STORE not in adapter.forms:
        return numbers
    if _refusal(factory, adapter, Op.STORE, 0, numbers[0]) is not None:
        return texts
    if Op.LOAD in adapter.forms and not _keeps(factory, adapter, numbers[0]):
        return texts if _keeps(factory, adapter, texts[0]) else numbers
    return numbers


def _keeps(factory: Callable[[], Any], adapter: Adapter, key: Any) -> bool:
    """Whether a fresh map has a value after it was stored."""
    found: list[Any] = []

    def store_and_load() -> None:
        try:
            made = factory()
            adapter.perform(made, Op.STORE, key, (1,), 0)
            found.append(adapter.perform(made, Op.LOAD, key, (), 0))
        except NO_ANSWERS:
            raise
        except BaseException:  # noqa: BLE001 - a finding, which the exploration will make
            return

    try:
        _alone(store_and_load)
    except Stalled:  # to load never ends: another finding
        return True
    return found == [(1, True)]


def _refusal(factory: Callable[[], Any], adapter: Adapter, op: Op, form: int, key: Any) -> str | None:
    """Why a fresh map does not take this call, or None if it does (a wrong answer is mostly for later)."""
    refusals: list[str] = []

    def call_once() -> None:
        arguments = (1, 2)[: len(SIGNATURES[op].arguments)]
        try:
            answer = adapter.perform(factory(), op, key, arguments, form)
        except _NOT_OFFERED as error:
            refusals.append(f"{type(error).__name__}: {error}")
        except NO_ANSWERS:
            raise
        except BaseException:  # noqa: BLE001 - anything else is a finding, which the exploration will make
            return
        else:
            refusals.extend(_not_new(op, answer))

    _alone(call_once)
    return refusals[0] if refusals else None


def _not_new(op: Op, answer: Any) -> Iterator[str]:
    """What shows that a new map is not empty, or makes up values for missing keys, as a defaultdict does."""
    if op in (Op.LEN, Op.RANGE) and answer:
        raise UnsuitableTarget(f"a new one is not empty: {op} answered {_cut(repr(answer))}")
    if op in (Op.LOAD, Op.LOAD_AND_DELETE) and isinstance(answer, tuple) and answer[1:] == (True,):
        yield f"a missing key answered {_cut(repr(answer[0]))}"


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
