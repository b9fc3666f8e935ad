"""Runs one given schedule once more, and notices when the code no longer follows it."""

from __future__ import annotations

from collections.abc import Sequence

from mapproof.stateful_tests.explorer.strategy import Doing, Schedule, Strategy, plainest


class Replay(Strategy):
    """One execution. `diverged` afterwards: some switch of the schedule could not be made."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = dict(schedule.switches)
        self._left = dict(self._schedule)
        self._decision = 0
        self._begun = False

    @property
    def diverged(self) -> bool:
        return bool(self._left)

    def begin(self) -> bool:
        first, self._begun = not self._begun, True
        return first

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        wanted = self._schedule.get(self._decision)
        decision, self._decision = self._decision, self._decision + 1
        if wanted is None or wanted not in enabled:
            return plainest(current, enabled)
        del self._left[decision]
        return wanted
