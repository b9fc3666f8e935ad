"""Where the threads of a machine may be switched: in the code of the objects that it holds.

The idea: whoever writes a machine puts the object under test into an attribute. So one machine is made and looked at,
and the modules of the classes of its objects are where instructions are switch points. The machine's own file is not:
its rules are the test, and only what they call is under test.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hypothesis.errors import InvalidDefinition
from hypothesis.stateful import RuleBasedStateMachine, rule

Trace = Iterable[ModuleType | type | str]
"""Modules, files by their path, or classes, for the file that they are written in."""

_REFERENCE_MAPS = "mapproof.impl"
"""Code under this name stops at the hook of `impl.sync`, so its instructions need no events."""

_NEVER = frozenset({"builtins", "typing", "abc", "mapproof", "hypothesis", "greenlet"})
"""Packages whose classes are not under test, or are switched without events."""


@dataclass(frozen=True, slots=True)
class SwitchPoints:
    """Source files, as code objects name them, and the modules that may hold real locks taken at import."""

    files: frozenset[str]
    modules: tuple[ModuleType, ...]


def switch_points(machine: type, trace: Trace | None, sample: Callable[[], Iterable[Any]]) -> SwitchPoints:
    """What `trace` names; without it, where the classes of the objects that `sample` answers are written.

    Raises InvalidDefinition for something in `trace` that has no source file, and if the objects are written in the
    machine's own file or there are none.
    """
    if trace is not None:
        return _named(machine, trace)
    held = {type(value) for value in sample()}
    kinds = {kind for kind in held if _package(kind.__module__) not in _NEVER}
    # A queue of the standard library may be what is under test, or may only be at hand.
    kinds = {kind for kind in kinds if _package(kind.__module__) not in sys.stdlib_module_names} or kinds
    mine = {code.co_filename for code in _codes(machine)}
    files = frozenset(file for kind in kinds for file in _files(kind))
    if files and not files - mine:
        raise InvalidDefinition(
            f"{_names(kinds)}, under test, is in the file of {machine.__name__} itself, whose rules would be switched "
            "in their middle, too: write it in a module of its own, or say trace = (__file__,)"
        )
    if not files and not any(kind.__module__.startswith(_REFERENCE_MAPS) for kind in held):
        raise InvalidDefinition(
            f"{machine.__name__} holds no object of a class written in Python, so there is nowhere to switch threads: "
            "say trace = (the module under test,), or trace = () to switch between whole rules only"
        )
    modules = {base.__module__ for kind in kinds for base in kind.__mro__} - _NEVER
    return SwitchPoints(
        files - mine, tuple(sys.modules[name] for name in sorted(modules & sys.modules.keys()))
    )


@lru_cache
def _names_of_hypothesis() -> frozenset[str]:
    """What every state machine has as attributes."""

    class Plain(RuleBasedStateMachine):
        @rule()
        def nothing(self) -> None: ...

    return frozenset(vars(Plain()))


def attributes_of(machine: RuleBasedStateMachine) -> Iterator[Any]:
    """The values that whoever wrote the machine has put into it."""
    return (value for name, value in vars(machine).items() if name not in _names_of_hypothesis())


def held_by(attributes: Iterable[Any]) -> Iterator[Any]:
    """The objects, and those in containers among them."""
    for value in attributes:
        yield value
        if isinstance(value, (list, tuple, set, frozenset)):
            yield from value
        elif isinstance(value, dict):
            yield from value.values()


def _names(kinds: Iterable[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds))


def _package(module: str) -> str:
    return module.partition(".")[0]


def _files(kind: type) -> Iterator[str]:
    """Where the methods of the class and its bases are written."""
    for base in kind.__mro__:
        if _package(base.__module__) not in _NEVER:
            yield from (code.co_filename for code in _codes(base) if not code.co_filename.startswith("<"))


def _codes(kind: type) -> Iterator[CodeType]:
    for value in vars(kind).values():
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        # A decorated method may be a function of the decorator's file: contextlib's, say.
        function = inspect.unwrap(function) if callable(function) else function
        if isinstance(function, FunctionType):
            yield function.__code__


def _named(machine: type, trace: Trace) -> SwitchPoints:
    files: set[str] = set()
    modules: list[ModuleType] = []
    for entry in trace:
        module = sys.modules.get(entry.__module__) if isinstance(entry, type) else entry
        file = module if isinstance(module, str) else getattr(module, "__file__", None)
        if file is None:
            raise InvalidDefinition(f"{machine.__name__}.trace: {entry!r} has no source file")
        files.add(file)
        modules += [known for known in list(sys.modules.values()) if getattr(known, "__file__", None) == file]
    return SwitchPoints(frozenset(files), tuple(modules))
