"""The command `prove`: which jobs, in which processes, and how what they show is printed, by system.

The idea: results come in as processes end; the table is printed in the order of the list, so that two runs differ in
their times alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from mapproof.proofs.table.checks import Job, Options, Part, Shown, require
from mapproof.proofs.table.jobs import statements
from mapproof.proofs.table.summary import CONTRACTS, by_subject, headline
from mapproof.report import colour, plain_console, summary

if TYPE_CHECKING:
    from mapproof.proofs.table.explaining import Explanation


class NothingNamed(ValueError):
    """No statement is named like this; the text is one line."""


def chosen(words: Sequence[str], options: Options) -> list[Job]:
    """The jobs whose name holds every word, with the second prover of their systems. Raises NothingNamed."""
    jobs = statements(options)
    found = [job for job in jobs if all(word.lower() in job.name.lower() for word in words)]
    if not found:
        raise NothingNamed(f"no statement is named {' '.join(words)!r}; `mapproof prove` lists them all")
    subjects = {job.subject for job in found}
    return [job for job in jobs if job in found or (job.part is Part.SECOND and job.subject in subjects)]


def prove(
    words: Sequence[str], options: Options, timeout: float, progress: Callable[[str], None]
) -> list[Shown]:
    """What every chosen job shows, in the order of the list. Raises NothingNamed, ExtraMissing, SystemFileError."""
    from mapproof.proofs.table.processes import run_all

    jobs = chosen(words, options)
    for job in jobs:
        require(job)
    shown: dict[str, Shown] = {}

    def at(text: str) -> None:
        progress(f"{len(shown)} of {len(jobs)}  {text}")

    for one in run_all(jobs, options, timeout=timeout, progress=at):
        shown[one.evidence.name] = one
        at(f"{one.evidence.verdict} {one.evidence.name}")
    return [shown[job.name] for job in jobs]


def explained(name: str, options: Options, timeout: float, progress: Callable[[str], None]) -> Explanation:
    """All about one statement, obligation, action or mutant. Raises NothingNamed, ExtraMissing, SystemFileError."""
    from mapproof.proofs.table.explaining import explain

    for job in statements(options)[:1]:
        require(job)
    found = explain(name, options, timeout=timeout, progress=progress)
    if found is None:
        raise NothingNamed(f"no statement, obligation, action or mutant is named {name!r}")
    return found


def print_proofs(shown: Sequence[Shown], *, details: bool) -> None:
    """A line and a table for each system, then each counterexample in full, then one line that sums up."""
    console = plain_console()
    for name, group in by_subject(shown).items():
        console.print(
            f"[bold]{escape(name)}[/]  {escape(headline(group))}".rstrip(), highlight=False, soft_wrap=True
        )
        scopes = {one.evidence.scope for one in group if one.part is Part.STATEMENT}
        if scopes:
            console.print(f"  {escape(min(scopes, key=len))}", highlight=False, soft_wrap=True, style="dim")
        console.print(_table(group, name))
        for one in group if details else ():
            for line in one.details:
                console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)
        console.print()
    for one in shown:
        if one.evidence.counterexample is not None:
            console.rule(escape(one.evidence.name), align="left")
            print(one.evidence.counterexample)
    print(summary([one.evidence for one in shown]))


def _table(group: Sequence[Shown], name: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, min_width=12)
    table.add_column(overflow="fold", ratio=3)
    table.add_column(overflow="fold", ratio=2)
    table.add_column(justify="right", no_wrap=True)
    for one in group:
        title = one.evidence.name if name == CONTRACTS else one.title
        table.add_row(
            f"  [{colour(one.evidence.verdict)}]{one.evidence.verdict}[/]",
            escape(title),
            escape(one.brief),
            f"{one.evidence.seconds:.1f}",
        )
    return table
