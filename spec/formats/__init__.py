"""Histories in the formats of other tools, read into the operations that everything here speaks of.

The idea: a format is a generator of operations and the kind of object that they are of. Which format a file has
shows in its name or its first bytes, and can be said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from mapproof.spec.formats import jepsen, porcupine
from mapproof.spec.history import History, HistoryError, Operation
from mapproof.spec.model import Model
from mapproof.spec.objects import StringStore

__all__ = ["FORMATS", "Format", "detect", "read_history"]


@dataclass(frozen=True, slots=True)
class Format:
    """A reader, and the model that its operations are of: None for the map, which `check` knows without one.

    `summary` says in a line what is read.
    """

    read: Callable[[BinaryIO | Iterable[bytes], str], Iterator[Operation]]
    model: Model[Any] | None
    summary: str


def _read_jsonl(stream: BinaryIO | Iterable[bytes], name: str) -> Iterator[Operation]:
    return iter(History.parse(stream, name).operations)


FORMATS: Final = {
    "jsonl": Format(_read_jsonl, None, "mapproof's own: a JSON object a line"),
    "jepsen": Format(jepsen.read, None, "Jepsen's history.edn of a register, or of a map of them"),
    "porcupine-kv": Format(
        porcupine.read_kv, StringStore(), "Porcupine's log of put, append and get on strings"
    ),
    "porcupine-etcd": Format(porcupine.read_etcd, None, "Jepsen's printed log of an etcd register"),
}
"""The formats by name."""

_FIRST_BYTES: Final = 4096


def detect(source: Path | str | bytes) -> str:
    """The name of the format of a file (a path), or of what begins with these bytes; "jsonl" if none other shows.

    Raises OSError for a path that cannot be read.
    """
    if isinstance(source, bytes):
        first, extension = source[:_FIRST_BYTES], ""
    else:
        with open(source, "rb") as stream:
            first, extension = stream.read(_FIRST_BYTES), Path(source).suffix
    if extension == ".jsonl":
        return "jsonl"
    if re.match(rb"(INFO|WARN|ERROR)\s", first):
        return "porcupine-etcd"
    if re.search(rb":f\s+:append\b", first) or re.search(rb":f\s+:(get|put)\b[^}]*:key\s+\"", first):
        return "porcupine-kv"
    return "jepsen" if extension == ".edn" or re.match(rb"[\s,\[(]*(\{\s*:|#|;)", first) else "jsonl"


def read_history(path: Path | str, format: str | None = None) -> History:
    """The history in a file, in the format of that name or the one that shows.

    Raises HistoryError (bad content, or nothing in it), OSError, and ValueError for a name that is no format.
    """
    name = detect(path) if format is None else format
    if name not in FORMATS:
        raise ValueError(f"no format {name!r}; one of {', '.join(FORMATS)}")
    with open(path, "rb") as stream:
        operations = tuple(FORMATS[name].read(stream, str(path)))
    if not operations:
        raise HistoryError(f"{path}:1: the file holds no operation")
    return History(operations)
