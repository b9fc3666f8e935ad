"""Where a map comes from, in words that another process understands.

The idea: a child process shares nothing with its parent, so a factory is named, not handed over: the module, the
attribute and the arguments, and the file of the module, for those that no import finds (a script, a test module).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import msgspec

from mapproof.stateful_tests.adapters import UnsuitableTarget


class Source(msgspec.Struct, frozen=True):
    """A class or a factory: `module:attribute`, called with `args` and `kwargs`, JSON texts if any.

    `file` is the module's, where the name alone may not find it. `name` is for people.
    """

    name: str
    module: str
    attribute: str
    args: str | None = None
    kwargs: str | None = None
    file: str | None = None

    @staticmethod
    def named(target: str, args: str | None = None, kwargs: str | None = None) -> Source:
        """What a user calls `pkg.mod:attr`. Raises UnsuitableTarget."""
        module, colon, attribute = target.partition(":")
        if not colon or not module or not attribute:
            raise UnsuitableTarget(f"TARGET: {target!r} is not of the form pkg.mod:attr")
        return Source(target, module, attribute, args, kwargs)

    @staticmethod
    def of(factory: Callable[[], Any]) -> Source:
        """A class or function at the top of a module, or of a class there. Raises UnsuitableTarget."""
        name = getattr(factory, "__qualname__", repr(factory))
        if not isinstance(factory, type | FunctionType) or "<" in name:
            raise UnsuitableTarget(
                f"{name}: another process cannot find it: real threads need a class or function that is "
                "defined at the top of a module"
            )
        module = sys.modules.get(factory.__module__)
        return Source(name, factory.__module__, name, file=getattr(module, "__file__", None))

    def load(self) -> Callable[[], Any]:
        """The factory, its module imported; the current directory is importable. Raises UnsuitableTarget."""
        made = self._attribute(self._module())
        if not callable(made):
            raise UnsuitableTarget(
                f"TARGET: {self.name} is a {type(made).__name__}, not a class or a factory"
            )
        if self.args is None and self.kwargs is None:
            factory: Callable[[], Any] = made
            return factory
        return functools.partial(
            made, *_json(self.args, list, "--args"), **_json(self.kwargs, dict, "--kwargs")
        )

    def _module(self) -> ModuleType:
        if os.getcwd() not in sys.path and "" not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            if self.file is None or _finds(self.module, self.file):
                return importlib.import_module(self.module)
            return _from_file(self.module, self.file)
        except (Exception, SystemExit) as error:  # a script that ends itself, as without a main guard
            raise UnsuitableTarget(
                f"TARGET: {self.name}: cannot import {self.module}: {type(error).__name__}: {error}"
            ) from error

    def _attribute(self, module: ModuleType) -> Any:
        found: Any = module
        for name in self.attribute.split("."):
            try:
                found = getattr(found, name)
            except AttributeError:
                raise UnsuitableTarget(
                    f"TARGET: {self.name}: {module.__name__} has no {self.attribute}"
                ) from None
        return found


def _finds(module: str, file: str) -> bool:
    """Whether importing the name gives the module of that file, and not the main one of this process."""
    if module == "__main__":
        return False
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None and Path(spec.origin) == Path(file)


def _from_file(name: str, file: str) -> ModuleType:
    name = "__mapproof_main__" if name == "__main__" else name
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module can be made of {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _json(text: str | None, kind: type, option: str) -> Any:
    if text is None:
        return kind()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UnsuitableTarget(f"{option}: not JSON: {error}") from None
    if type(value) is not kind:
        wanted = "a list" if kind is list else "an object"
        raise UnsuitableTarget(f"{option}: {wanted} is needed, not {text}")
    return value
