"""What a campaign's parent and its child tell each other, in files of the directory that they share.

The idea: a process that may crash at any moment writes whole files, in an order that says how far it came: nothing, then
what it found (`Description`), then how it ended (`Answer`), which is missing if it did not end by itself.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from mapproof.spec.operations import Op
from mapproof.stateful_tests.real_threads.source import Source

JOURNAL: Final = "journal"
STACKS: Final = "stacks.txt"
OUTPUT: Final = "output.txt"
HISTORY: Final = "history.jsonl"
_REQUEST: Final = "request.json"
_DESCRIPTION: Final = "description.json"
_ANSWER: Final = "answer.json"


class Fault(StrEnum):
    """What can be wrong with a map under real threads, what ends its process first."""

    CRASH = "crash"
    EXIT = "exit"
    HANG = "hang"
    MEMORY = "memory"
    EXCEPTION = "exception"
    ANSWER = "impossible answer"
    INVARIANT = "broken invariant"
    VIOLATION = "not linearizable"


class Request(msgspec.Struct, frozen=True):
    """What the child shall do: `operations` of each of the `clients` in a round, rounds for `budget` seconds.

    `path` is the parent's `sys.path`. `judging` is how many seconds a history may take to be judged.
    """

    source: Source
    path: tuple[str, ...]
    budget: float
    seed: str
    clients: int
    operations: int
    judging: float
    ops: tuple[Op, ...] | None = None
    atomic: tuple[Op, ...] = ()
    yielding_keys: bool = False


class Description(msgspec.Struct, frozen=True):
    """What the child found out before the first round; `forms` are texts, as in an adapter's forms.

    `contracts` has the words of a claim for each operation on the whole map; `inside` is whether there is Python of
    the map's own to yield in; `build` names the interpreter.
    """

    build: str
    style: str
    forms: dict[Op, tuple[str, ...]]
    left_out: tuple[str, ...]
    contracts: dict[Op, str]
    text_keys: bool
    inside: bool


class Failed(msgspec.Struct, frozen=True):
    """What a round that ended by itself had wrong with it; `detail` is more lines about it."""

    fault: Fault
    summary: str
    detail: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """How the child ended: without any of these it has found nothing.

    `refused` is a line for whoever named a target that is none, `trouble` one that says why it could not go on,
    `broken` the traceback of an error of the kit. `undecided` counts histories.
    """

    undecided: int = 0
    failed: Failed | None = None
    refused: str | None = None
    trouble: str | None = None
    broken: str | None = None


def write_request(directory: Path, request: Request) -> None:
    """Tell the child of that directory what to do. Raises OSError."""
    _write(directory / _REQUEST, request)


def read_request(directory: Path) -> Request:
    """What the parent asks for."""
    return msgspec.json.decode((directory / _REQUEST).read_bytes(), type=Request)


def write_description(directory: Path, description: Description) -> None:
    """Tell the parent what was found before the first round."""
    _write(directory / _DESCRIPTION, description)


def read_description(directory: Path) -> Description | None:
    """What the child found, None if it did not come so far."""
    try:
        return msgspec.json.decode((directory / _DESCRIPTION).read_bytes(), type=Description)
    except FileNotFoundError:
        return None


def write_answer(directory: Path, answer: Answer) -> None:
    """Tell the parent how it ended."""
    _write(directory / _ANSWER, answer)


def read_answer(directory: Path) -> Answer | None:
    """How the child ended, None if it did not end by itself."""
    try:
        return msgspec.json.decode((directory / _ANSWER).read_bytes(), type=Answer)
    except FileNotFoundError:
        return None


def _write(path: Path, message: msgspec.Struct) -> None:
    """All of it or nothing, whenever the process ends."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.encode(message))
    unfinished.replace(path)
