"""A trace for machines. Its schema is the structs of `events.py`, and docs/trace.md."""

from __future__ import annotations

import msgspec

from mapproof.stateful_tests.trace.events import SCHEMA, Trace


class TraceError(ValueError):
    """The text is no trace, or one of another schema; one line."""


def as_json(trace: Trace) -> bytes:
    """The trace as one JSON object."""
    return msgspec.json.encode(trace)


def from_json(text: bytes | str) -> Trace:
    """Read what `as_json` wrote. Raises TraceError."""
    try:
        trace = msgspec.json.decode(text, type=Trace)
    except msgspec.DecodeError as error:
        raise TraceError(f"this is no trace: {error}") from None
    if trace.schema != SCHEMA:
        raise TraceError(f"a trace of schema {trace.schema} is not known, only {SCHEMA}")
    return trace
