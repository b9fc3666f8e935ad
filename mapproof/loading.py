"""From `pkg.mod:attr` on a command line to the object, with one line for each way that can go wrong."""

from __future__ import annotations

import copy
import functools
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from mapproof.spec.model import Model
from mapproof.stateful_tests.explorer.cooperative_threading import patched


class LoadingError(ValueError):
    """The target cannot be had; the text is one line."""


def load_factory(target: str, args: str | None, kwargs: str | None) -> Callable[[], Any]:
    """The class or factory that `target` names, with its arguments (JSON) bound, new ones for each call. Raises
    LoadingError.

    The current directory is importable, as for `python -m`. The module is imported with the cooperative
    `threading`, so that locks it makes at import can be simulated too.
    """
    made: Callable[..., Any] = _named("TARGET", target)
    if not callable(made):
        raise LoadingError(f"TARGET: {target} is a {type(made).__name__}, not a class or a factory")
    if args is None and kwargs is None:
        return made
    return functools.partial(_made_with, made, _json(args, list, "--args"), _json(kwargs, dict, "--kwargs"))


def _made_with(made: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A map may keep what it is given, and change it."""
    return made(*copy.deepcopy(args), **copy.deepcopy(kwargs))


def load_model(target: str) -> Model[Any]:
    """The model that `target` names: an instance, or a class or function that makes one. Raises LoadingError."""
    found = _named("--model", target)
    if isinstance(found, type) or not hasattr(found, "step"):
        try:
            found = found()
        except Exception as error:
            raise LoadingError(f"--model: {target}: {type(error).__name__}: {error}") from error
    if not hasattr(found, "step") or not hasattr(found, "initial"):
        raise LoadingError(f"--model: {target} has no `initial` or no `step`, so it is no model")
    model: Model[Any] = found
    return model


def _named(argument: str, target: str) -> Any:
    """What `target` names; `argument` is where it was given, for messages."""
    module, colon, attribute = target.partition(":")
    if not colon or not module or not attribute:
        raise LoadingError(f"{argument}: {target!r} is not of the form pkg.mod:attr")
    return _attribute(_module(module, f"{argument}: {target}"), attribute, f"{argument}: {target}")


def _module(name: str, about: str) -> Any:
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    with patched():
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a script that ends itself, as without a main guard
            raise LoadingError(f"{about}: cannot import {name}: {type(error).__name__}: {error}") from error


def _attribute(module: Any, path: str, about: str) -> Any:
    found = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise LoadingError(f"{about}: {module.__name__} has no {path}") from None
    return found


def _json(text: str | None, kind: type, option: str) -> Any:
    if text is None:
        return kind()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise LoadingError(f"{option}: not JSON: {error}") from None
    if type(value) is not kind:
        wanted = "a list" if kind is list else "an object"
        raise LoadingError(f"{option}: {wanted} is needed, not {text}")
    return value
