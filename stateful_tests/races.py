"""Finds the data races of a simulated run: hears each step, and hands it to `spec.happens_before`.

The idea: a simulation switches threads before an access, so the steps that it tells are in the order in which they
take effect; only whether a compare-and-swap or a try took effect, and when an RWMutex is locked, is told later.
A race need not do harm in the run that shows it: two accesses that nothing orders are one, whatever they read.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mapproof.spec.accesses import Access
from mapproof.spec.happens_before import DataRaces, Race
from mapproof.stateful_tests.places import place_of_access

_PLAIN = (Access.READ, Access.WRITE, Access.OR)

_KNOWN_LATER = (Access.COMPARE_AND_SWAP, Access.TRY_LOCK)


class RaceDetector:
    """Watches one run: `step` is a `Simulation.watcher` and `effect` a `Simulation.listener`. The number of each
    thread is its index in a clock: small numbers.

    Judges what is made of the primitives of `impl.sync`; memory of other Python code is not seen.
    """

    def __init__(self) -> None:
        self._found = DataRaces()
        self.start = self._found.start
        self.join = self._found.join

    @property
    def races(self) -> list[Race]:
        """Those found so far, in the order in which they were found."""
        return self._found.races

    def step(self, thread: int, doing: Any) -> None:
        """What the thread does next; anything but an access of a primitive is passed over."""
        if doing.__class__ is not tuple:
            return
        target, access = doing
        if access.__class__ is not Access or access in _KNOWN_LATER:
            return
        if access in _PLAIN:
            self._found.touch(thread, target, access, place_of_access)
        elif _synchronizes(target):
            self._found.order(thread, target, access)

    def effect(self, thread: int, target: object, access: Access, happened: bool) -> None:
        """What was not known at the step."""
        if _synchronizes(target):
            self._found.order(thread, target, access, happened)


def _synchronizes(target: Hashable) -> bool:
    return getattr(target, "synchronizes", True)
