"""Mutants of the reference maps: a map's own source with one place changed, and who must notice.

The idea: a checker that has never been seen to fail shows nothing. Each mutant is a slip that somebody might make;
the table names the detector that must catch it, and the sentence in which it must say so.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any


class Detector(StrEnum):
    """Who must catch a mutant."""

    LINEARIZABILITY = "linearizability"
    RACE = "race"
    INVARIANT = "invariant"
    DEADLOCK = "deadlock"
    PROGRESS = "progress"
    LEN_AT_REST = "len at rest"
    MEMORY_BOUND = "memory bound"
    EXCEPTION = "exception"
    ANSWERS = "answers in sequence"
    """A random program of one thread, against a dict."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One slip. `before` stands exactly once in the source of `module`; `says` is a pattern in the account.

    `scenario` names the situation in which it is looked for, in the words of the test of that map.
    """

    subject: str
    wrong: str
    module: ModuleType
    before: str
    after: str
    detector: Detector
    scenario: str
    says: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.wrong}"

    def built(self, *modules: ModuleType) -> Any:
        """The class `subject` out of copies of these modules (in the order in which they import each other, the
        subject's last), with the change made; just `module` unless told."""
        return built(self.subject, {self.module: [(self.before, self.after)]}, modules or (self.module,))


Changes = dict[ModuleType, Sequence[tuple[str, str]]]


def built(subject: str, changes: Changes, modules: Sequence[ModuleType]) -> Any:
    """The attribute `subject` of the last of the modules, each loaded again from its changed source."""
    copies = {module.__name__: f"{module.__name__}__changed" for module in modules}
    copy = ModuleType("none")
    for module in modules:
        source = inspect.getsource(module)
        for before, after in changes.get(module, ()):
            assert source.count(before) == 1, f"found {source.count(before)} times, not once: {before!r}"
            source = source.replace(before, after)
        for name, other in copies.items():
            source = source.replace(f"from {name} import", f"from {other} import")
        copy = ModuleType(copies[module.__name__])
        sys.modules[copy.__name__] = copy  # where dataclasses look it up
        code = compile(source, f"{copy.__name__}.py", "exec")
        exec(code, copy.__dict__)  # noqa: S102 - the source of this repository
    return getattr(copy, subject)
