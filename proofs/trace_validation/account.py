"""What is said when the code and its model part: the steps so far, and both sides of the last one.

The idea: a reader wants to see what the code did, in the model's cells, and what it might have done. So each action
that the thread could take is shown with its effect, and the cells in which it differs from the code are marked.
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import CodeType

from mapproof.proofs.running.layout import Value
from mapproof.proofs.trace_validation.binding import Binding, Cell, Picture, Rule, Seen
from mapproof.proofs.trace_validation.model import Model
from mapproof.proofs.transition_system import Action

WIDTH = 58
MOST_STEPS = 60
MOST_ACTIONS = 6


@dataclass(slots=True)
class Entry:
    """One step of a run: what the client did, where, and the actions of the model; none for a silent access."""

    client: int
    what: object
    code: CodeType | None = None
    line: int = 0
    did: tuple[str, ...] | None = None

    def __str__(self) -> str:
        left = f"  client {self.client}  {self._place()}{self.what}"
        did = "?" if self.did is None else ", ".join(self.did)
        return f"{left:{WIDTH}} | {did}".rstrip()

    def _place(self) -> str:
        return "" if self.code is None else f"{self.code.co_qualname}:{self.line}  "

    @property
    def source(self) -> str:
        """The file, the line and its text."""
        if self.code is None:
            return ""
        text = linecache.getline(self.code.co_filename, self.line).strip()
        return f"{PurePath(self.code.co_filename).name}:{self.line}" + (f" `{text}`" if text else "")


@dataclass(frozen=True, slots=True)
class Parting:
    """Where code and model part: the last access (none for a call or an answer), the model's state before it, what the
    code had not yet written then, and the real object after it."""

    wrong: str
    client: int
    thread: str
    seen: Seen | None
    state: int
    owed: Mapping[Cell, Value]
    picture: Picture


def told(binding: Binding, model: Model, parting: Parting, log: Sequence[Entry]) -> str:
    """The account, for a person."""
    return "\n".join(
        [
            f"the code does not follow the model {binding.system.name}: {parting.wrong}",
            *_steps(log),
            *_last(binding, model, parting, log),
        ]
    )


def _steps(log: Sequence[Entry]) -> Iterator[str]:
    yield f"  {'what the code did':{WIDTH - 2}} | what the model did (nothing: a silent access)"
    shown = _without_setup(log)
    if len(shown) > MOST_STEPS:
        yield f"  ... {len(shown) - MOST_STEPS} steps"
    yield from map(str, shown[-MOST_STEPS:])


def _without_setup(log: Sequence[Entry]) -> list[Entry]:
    """Without the accesses of the calls that client 0 made before there were others, if it came to that."""
    begun = next((number for number, entry in enumerate(log) if entry.client != 0), 0)
    return [entry for entry in log[:begun] if entry.code is None] + list(log[begun:])


def _last(binding: Binding, model: Model, parting: Parting, log: Sequence[Entry]) -> Iterator[str]:
    source = log[-1].source if log and parting.seen is not None else ""
    yield f"the last step, of client {parting.client}{f' at {source}' if source else ''}"
    if parting.seen is not None:
        yield f"  the access: {parting.seen} in {parting.seen.function}"
    before = {cell: parting.owed.get(cell, model.value(parting.state, cell)) for cell, _ in parting.picture}
    after = dict(parting.picture)
    yield from _block("what the code did:", _changes(model, before, after) or ["nothing changed"])
    place = model.value(parting.state, (binding.place, (parting.thread,)))
    allowed = list(_allowed(binding, model, parting, after))
    yield f"  what the model allows, {parting.thread} being at {place}:"
    if not allowed:
        yield "    nothing"
    yield from itertools.islice(itertools.chain.from_iterable(allowed), 40)


def _block(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"  {title}"
    yield from (f"    {line}" for line in lines)


def _changes(model: Model, before: Mapping[Cell, Value], after: Mapping[Cell, Value]) -> list[str]:
    return [
        f"{label(model, cell)}: {before[cell]} -> {value}"
        for cell, value in after.items()
        if before[cell] != value
    ]


def _allowed(
    binding: Binding, model: Model, parting: Parting, code: Mapping[Cell, Value]
) -> Iterator[list[str]]:
    """Each action that the thread could take, in the way that comes closest to what the code did."""
    for action in model.system.actions.values():
        ways = list(_ways(model, action, parting))
        if not ways:
            continue
        arguments, state = min(ways, key=lambda way: len(_differing(model, way[1], code)))
        lines = [f"    {action.name}({', '.join(map(str, arguments))}): {action.words}"]
        lines += [f"      made by {made}" for made in _made_by(binding, action.name)]
        differing = _differing(model, state, code)
        for cell, shown in code.items():
            then, now = model.value(state, cell), model.value(parting.state, cell)
            if cell in differing:
                lines.append(f"    * {label(model, cell)}: {now} -> {then}, in the code {shown}")
            elif then != now:
                lines.append(f"      {label(model, cell)}: {now} -> {then}")
        yield lines


def _made_by(binding: Binding, action: str) -> Iterator[str]:
    rules: list[Rule] = [rule for rule in binding.rules if rule.action == action]
    for rule in rules[:3]:
        yield "; ".join(map(str, rule.touches))


def _ways(model: Model, action: Action, parting: Parting) -> Iterator[tuple[tuple[Value, ...], int]]:
    if not action.parameters or action.parameters[0].sort.__name__ != "Thread":
        return
    for arguments in model.arguments(action, parting.thread):
        reached = model.step(parting.state, action.name, arguments)
        if reached is not None:
            yield arguments, reached.state


def _differing(model: Model, state: int, code: Mapping[Cell, Value]) -> set[Cell]:
    return {cell for cell, value in code.items() if model.value(state, cell) != value}


def label(model: Model, cell: Cell) -> str:
    """The cell as the system's text would name it."""
    name, arguments = cell
    [function] = [made for made in model.system.functions if made.name == name]
    return function.label.format(*arguments)
