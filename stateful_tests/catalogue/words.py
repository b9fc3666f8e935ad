"""Scenarios as words: how the catalogue writes programs, and what is asked of a map when they have ended.

`store a 1; load b` calls `store("a", 1)`, then `load("b")`; values are whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.scenarios import Call, Scenario

Scenarios = Mapping[str, tuple[str, tuple[str, ...]]]
"""Name -> (setup, one program for each thread), in the words that `program_of` reads."""


def scenario_of(adapter: Adapter, setup: str, *threads: str) -> Scenario:
    """Read a scenario written as words, the operations separated by semicolons."""
    programs = [program_of(text) for text in (setup, *threads)]
    keys = sorted({call.key for program in programs for call in program if call.key is not None})
    # A key is asked for twice: the loads count misses, so that a promotion that would lose a key happens.
    loads = tuple(Call(Op.LOAD, key) for key in keys) * 2
    asked = tuple(Call(op) for op in (Op.RANGE, Op.LEN) if op in adapter.forms)
    return Scenario(programs[0], tuple(programs[1:]), (*loads, *asked))


def program_of(text: str) -> tuple[Call, ...]:
    """The calls of one client."""
    return tuple(_call(words.split()) for words in text.split(";") if words.strip())


def _call(words: list[str]) -> Call:
    op = Op(words[0])
    rest = words[1:]
    key = rest.pop(0) if SIGNATURES[op].keyed else None
    return Call(op, key, tuple(map(int, rest)))
