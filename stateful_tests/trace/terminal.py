"""A trace for a terminal: the same columns as in plain text, with a colour a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from mapproof.stateful_tests.trace import layout, minimum
from mapproof.stateful_tests.trace.events import Trace
from mapproof.stateful_tests.trace.layout import Cell, Style
from mapproof.stateful_tests.trace.plain import WIDTH

COLOURS: Final = ("cyan", "magenta", "green", "blue", "bright_red", "yellow")

_STYLES: Final = {
    Style.CALL: "bold {colour}",
    Style.STEP: "{colour}",
    Style.ACCESS: "{colour}",
    Style.SWITCH: "italic yellow",
    Style.END: "bold red",
    Style.STATE: "dim",
    Style.HIDDEN: "dim",
}


class Account:
    """What rich prints: as wide as the terminal, at most WIDTH."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield coloured(self._trace, min(WIDTH, options.max_width))


def coloured(trace: Trace, width: int) -> RenderableType:
    """The whole account; its text is that of `plain` at the same width."""
    parts = [
        [Text(layout.sentence(trace), "bold red")],
        _plain(filter(None, [minimum.words(trace.minimum)])),
        _plain(filter(None, [layout.remark(trace)]), "yellow"),
        _plain(layout.alone("before", trace.before)),
        list(_columns(trace, width)),
        _plain(layout.cycle(trace), "bold red"),
        _plain(layout.alone("after", trace.after)),
        list(_history(trace)),
    ]
    shown: list[Text] = []
    for part in parts:
        if part:
            shown += [*([Text()] if shown else []), *part]
    return Group(*shown)


def _plain(lines: Iterable[str], style: str = "") -> list[Text]:
    return [Text(line, style) for line in lines]


def _history(trace: Trace) -> Iterator[Text]:
    for line in layout.history(trace):
        yield Text(line, "bold" if line.startswith("*") else "")


def _columns(trace: Trace, width: int) -> Iterator[Text]:
    each = layout.width_of_column(trace, width)
    heads = (
        Text(layout.title(client).ljust(each), f"bold {_colour(i)}") for i, client in enumerate(trace.clients)
    )
    yield _trimmed(Text(" │ ").join(heads))
    yield Text("─┼─".join("─" * each for _ in trace.clients), "dim")
    for cell in layout.drawn(trace, width):
        if cell.client is None:
            yield _drawn(cell, "")
            continue
        texts = [Text(" " * each) for _ in trace.clients]
        column = trace.clients.index(cell.client)
        texts[column] = _drawn(cell, _colour(column))
        texts[column].pad_right(each - len(texts[column]))
        yield _trimmed(Text(" │ ").join(texts))


def _trimmed(text: Text) -> Text:
    text.rstrip()
    return text


def _colour(column: int) -> str:
    return COLOURS[column % len(COLOURS)]


def _drawn(cell: Cell, colour: str) -> Text:
    place, text, note = cell.parts()
    drawn = Text(place, "dim")
    drawn.append(text, _STYLES[cell.style].format(colour=colour).strip())
    drawn.append(note, "bold" if cell.style is Style.STEP else "dim")
    return drawn
