"""Rows that came again and again without any difference, told once.

The idea: a thread that waits in a loop runs the same lines and sees the same values each time; two that wait for each
other take turns in the same way. Both are a stretch of rows that is repeated at once, so both are found by looking for
one: the shortest period first, from left to right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from mapproof.stateful_tests.trace.events import Repeat, Row, Step

LONGEST_PERIOD = 24
FEWEST_TIMES = 3
"""Twice the same is told as it was."""


def collapsed(rows: Sequence[Row]) -> list[Row]:
    """The rows, repeated ones folded: first the lines that one client ran without a switch, then whole rounds."""
    folded: list[Row] = []
    for is_step, grouped in groupby(rows, key=lambda row: isinstance(row, Step)):
        stretch = list(grouped)
        folded += fold(stretch) if is_step else stretch
    return fold(folded)


def fold(rows: Sequence[Row]) -> list[Row]:
    """Each stretch that comes FEWEST_TIMES or more in a row, told once."""
    found: list[Row] = []
    i = 0
    while i < len(rows):
        period, times = _repetition(rows, i)
        if times >= FEWEST_TIMES:
            found.append(Repeat(tuple(rows[i : i + period]), times))
            i += period * times
        else:
            found.append(rows[i])
            i += 1
    return found


def _repetition(rows: Sequence[Row], start: int) -> tuple[int, int]:
    """The shortest period that is repeated often enough from here, and how often; (1, 1) if there is none."""
    for period in range(1, min(LONGEST_PERIOD, (len(rows) - start) // FEWEST_TIMES) + 1):
        if rows[start] != rows[start + period]:
            continue
        end = start + period
        while end < len(rows) and rows[end] == rows[end - period]:
            end += 1
        times = (end - start) // period
        if times >= FEWEST_TIMES:
            return period, times
    return 1, 1


def unfolded(rows: Sequence[Row]) -> Iterator[Row]:
    """All rows, those that were folded as often as they came."""
    for row in rows:
        if isinstance(row, Repeat):
            for _ in range(row.times):
                yield from unfolded(row.rows)
        else:
            yield row
