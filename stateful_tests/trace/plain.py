"""A trace as plain text of a given width: a column a thread."""

from __future__ import annotations

from collections.abc import Iterator

from mapproof.stateful_tests.trace import layout, minimum
from mapproof.stateful_tests.trace.events import Trace

WIDTH = 118


def plain(trace: Trace, width: int = WIDTH) -> str:
    """The whole account. No line of the columns is wider than `width` (the others are as long as they need to be)."""
    parts = [
        [layout.sentence(trace)],
        [minimum.words(trace.minimum)],
        [layout.remark(trace)],
        layout.alone("before", trace.before),
        _columns(trace, width),
        layout.cycle(trace),
        layout.alone("after", trace.after),
        layout.history(trace),
    ]
    return "\n\n".join(text for part in parts if (text := "\n".join(part)))


def _columns(trace: Trace, width: int) -> Iterator[str]:
    each = layout.width_of_column(trace, width)
    yield " │ ".join(layout.title(client).ljust(each) for client in trace.clients).rstrip()
    yield "─┼─".join("─" * each for _ in trace.clients)
    for cell in layout.drawn(trace, width):
        if cell.client is None:
            yield str(cell)
            continue
        texts = [" " * each for _ in trace.clients]
        texts[trace.clients.index(cell.client)] = str(cell).ljust(each)
        yield " │ ".join(texts).rstrip()
