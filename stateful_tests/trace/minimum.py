"""How small a failure is, in a line: what was shown, by how many runs, and what was not.

The idea: a claim and what it rests on stand in one clause, so that nobody reads the one without the other.
"""

from __future__ import annotations

from mapproof.stateful_tests.explorer.plan import ALL
from mapproof.stateful_tests.trace.events import Minimum


def words(minimum: Minimum | None) -> str:
    """The line below the headline; "" if the failure was not shrunk."""
    if minimum is None:
        return ""
    said = (_size(minimum), _operations(minimum), _preemptions(minimum))
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in said if text)


def _size(minimum: Minimum) -> str:
    around = [
        f"{count:,} {when}" for count, when in ((minimum.before, "before"), (minimum.after, "after")) if count
    ]
    threads = f"{_counted(minimum.operations, 'operation')} in {_counted(minimum.threads, 'thread')}"
    beside = f" ({' and '.join(around)} them)" if around else ""
    return f"{threads}{beside}, {_counted(minimum.preemptions, 'preemption')}"


def _operations(minimum: Minimum) -> str:
    if minimum.given or not minimum.programs:
        return ""
    if not minimum.within:
        return (
            f"that no operation can be left out is not shown: {minimum.programs_run:,} of {minimum.programs:,} smaller "
            "programs were explored to their end"
        )
    claim = "no operations" if minimum.every_part else "no single operation"
    plainly = " in this way or a plainer one" if minimum.otherwise else ""
    return (
        f"{claim} can be left out: of {_counted(minimum.programs, 'smaller program')} none fails{plainly} "
        f"({_within(minimum.within)}, {_counted(minimum.runs, 'run')})"
    )


def _within(claim: str) -> str:
    if claim == ALL:
        return "one schedule of every kind of each"
    bound = claim.removeprefix("preemptions <= ")
    most = "no preemption" if bound == "0" else f"up to {_counted(int(bound), 'preemption')}"
    return f"every schedule of each with {most}"


def _preemptions(minimum: Minimum) -> str:
    if not minimum.preemptions:
        return ""
    fewer = "no preemption" if minimum.preemptions == 1 else "fewer preemptions"
    if not minimum.fewest:
        return f"that {fewer} would not do is not shown"
    return f"every schedule with {fewer} was run ({minimum.schedules:,}), none fails so"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
