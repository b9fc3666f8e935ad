"""Every schedule with at most so many preemptions, simplest first (CHESS: Musuvathi and Qadeer, PLDI 2007).

The idea: depth-first search by re-execution. The path of the last execution is a stack of choices; the next
execution repeats it up to the deepest choice that has an alternative left, and takes that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapproof.stateful_tests.explorer.strategy import Doing, NondeterministicTarget, Strategy


@dataclass(slots=True)
class _Choice:
    """A decision on the path: `taken` indexes `options`, the ones before it are done."""

    enabled: tuple[int, ...]
    options: tuple[int, ...]
    taken: int = 0


class PreemptionBound(Strategy):
    """Ends when every schedule within the bound was run."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._path: list[_Choice] = []
        self._depth = 0
        self._preemptions = 0
        self._begun = False

    def begin(self) -> bool:
        if self._begun and not self._advance():
            return False
        self._begun = True
        self._depth = 0
        self._preemptions = 0
        return True

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        if self._depth == len(self._path):
            self._path.append(_Choice(tuple(enabled), self._options(current, enabled)))
        choice = self._path[self._depth]
        if choice.enabled != tuple(enabled):
            raise NondeterministicTarget(
                "the code under test depends on more than its schedule: "
                f"at decision {self._depth}: {choice.enabled} could run, now {tuple(enabled)}"
            )
        self._depth += 1
        chosen = choice.options[choice.taken]
        if current is not None and chosen != current:
            self._preemptions += 1
        return chosen

    def _options(self, current: int | None, enabled: Sequence[int]) -> tuple[int, ...]:
        if current is None:
            return tuple(enabled)
        if self._preemptions == self.bound:
            return (current,)
        return (current, *(thread for thread in enabled if thread != current))

    def _advance(self) -> bool:
        while self._path and self._path[-1].taken + 1 == len(self._path[-1].options):
            self._path.pop()
        if not self._path:
            return False
        self._path[-1].taken += 1
        return True
