"""Systems from a Python file of the user's own: `FILE.py` for all that it defines, `FILE.py:NAME` for one.

The idea: the file is run, and what stands in it by then are `System`s, each of which is proved as those of the kit
are; `MUTANTS` and `BOUNDS` may stand beside them. Whatever is wrong with the file is one line, with the place in
that file where it went wrong, not in ours.
"""

from __future__ import annotations

import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from mapproof.proofs.chapters import Bound, Chapter, Mutant, check_titles
from mapproof.proofs.running.exploration import machine_within
from mapproof.proofs.terms import ModelError
from mapproof.proofs.transition_system import System

T = TypeVar("T")


class SystemFileError(ValueError):
    """No system can be had from the file; the text is one line."""


def load(target: str) -> tuple[Chapter, ...]:
    """The systems of a file, in its order, with the mutants of each. Raises SystemFileError."""
    path, name = _split(target)
    module = _run(path)
    found = {key: made for key, made in vars(module).items() if isinstance(made, System)}
    if name is not None:
        if name not in found:
            defined = f"; it defines {', '.join(found)}" if found else ""
            raise SystemFileError(f"{path}: there is no system {name}{defined}")
        found = {name: found[name]}
    if not found:
        raise SystemFileError(
            f"{path}: no system is defined; `NAME = system(...)` at the level of the module"
        )
    systems = list({id(made): made for made in found.values()}.values())
    if len({made.name for made in systems}) < len(systems):
        raise SystemFileError(f"{path}: two systems are named alike")
    mutants = _all_of(path, module, "MUTANTS", Mutant)
    bounds = _all_of(path, module, "BOUNDS", Bound)
    return tuple(
        _checked(path, Chapter(made, tuple(m for m in mutants if m.original is made), _fitting(bounds, made)))
        for made in systems
    )


def _fitting(bounds: tuple[Bound, ...], system: System) -> tuple[Bound, ...]:
    """Those that limit only actions of the system: of two systems in a file each may have its own."""
    return tuple(bound for bound in bounds if bound.at_most.keys() <= system.actions.keys())


def _checked(path: Path, chapter: Chapter) -> Chapter:
    """The chapter, if its titles and its bounds are such that it can be proved and run."""
    try:
        check_titles(chapter.system)
        for bound in chapter.bounds:
            machine_within(chapter.system, bound)
        for mutant in chapter.mutants:
            machine_within(mutant.system, mutant.bound)
    except ModelError as error:
        raise SystemFileError(f"{path}: {_first_line(error)}") from None
    return chapter


def _split(target: str) -> tuple[Path, str | None]:
    file, colon, name = target.rpartition(":")
    if colon and file.endswith(".py"):
        return Path(file), name
    if not target.endswith(".py"):
        raise SystemFileError(f"{target!r} is not of the form FILE.py or FILE.py:NAME")
    return Path(target), None


def _all_of(path: Path, module: ModuleType, name: str, kind: type[T]) -> tuple[T, ...]:
    values = getattr(module, name, ())
    if not isinstance(values, tuple | list) or not all(isinstance(value, kind) for value in values):
        raise SystemFileError(f"{path}: {name} is not a tuple of {kind.__name__}s")
    return tuple(values)


def _run(path: Path) -> ModuleType:
    """The module of the file. Its name is not that of any module that can be imported."""
    if not path.is_file():
        raise SystemFileError(f"{path}: there is no such file")
    spec = spec_from_file_location(f"systems of {path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise SystemFileError(f"{error.filename or path}:{error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the file raised is the finding
        line = _line_in(path, error)
        raise SystemFileError(f"{path}:{line}: {type(error).__name__}: {_first_line(error)}") from None
    return module


def _line_in(path: Path, error: BaseException) -> int:
    """The last line of the file that was being run when it happened."""
    own = [
        f.lineno
        for f in traceback.extract_tb(error.__traceback__)
        if Path(f.filename).resolve() == path.resolve()
    ]
    return (own[-1] if own else None) or 1


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
