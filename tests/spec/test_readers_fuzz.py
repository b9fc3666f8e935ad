"""The fast reader and the strict one agree on every file: the same operations, or the same words of refusal.

The idea: good files in every spelling that JSON allows, then damage: flipped bits, cuts, foreign bytes, swapped
lines, numbers that are none. A reader that guesses where the strict one refuses, or numbers two different values
alike, is told apart within a few hundred files; the mutants at the end show that it is.
"""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Callable
from random import Random
from types import ModuleType
from typing import Any

import pytest

from mapproof.spec.formats import jsonl_kernel
from mapproof.spec.formats.jsonl_table import Kernels, kernels_of_reading, tabulated
from mapproof.spec.history import History, HistoryError, Operation
from mapproof.spec.operations import SIGNATURES, Op, Shape
from mapproof.spec.table import FOREVER, TooLarge
from mapproof.spec.values import identity

PLAIN: Kernels = {kernel.__name__: kernel for kernel in jsonl_kernel.KERNELS}
"""The kernels as they stand: here an index beyond the end of the file is an IndexError."""

SIMPLE = [
    "0",
    "1",
    "2",
    "-1",
    "12",
    "true",
    "false",
    "null",
    '"a"',
    '"b"',
    '""',
    '"1"',
    '"true"',
    '"é"',
    '"😀"',
]
HARD = [
    "1.0",
    "-0",
    "-0.0",
    "1e0",
    "1.5",
    "1e400",
    "1E2",
    '"\\u0061"',
    '"\\u00e9"',
    '"\\n"',
    '"\\ud83d\\ude00"',
]
HARD += [
    "[]",
    "[1]",
    "[1.0]",
    "{}",
    '{"a": 1}',
    "123456789012345678901234567890",
    "9223372036854775807",
    "1e19",
]
HARD += [
    "4999999999999999999",
    "5000000000000000000",
    "10000000000000000000",
    "-9223372036854775808",
    '"\\\\"',
]
BAD = [
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "-01",
    "1.",
    ".5",
    "+1",
    "0x1",
    "1e",
    "--1",
    "-",
    '"\\ud800"',
    "nul",
]
BAD += [
    '"\\x"',
    "'a'",
    "[1,]",
    "{1: 2}",
    "[" * 101 + "]" * 101,
    "[" * 2000 + "]" * 2000,
    "[" * 3000,
    "",
    "1" * 400,
]
INSERTED = [
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xe0\x80\xaf",
    b"\xf4\x90\x80\x80",
]
INSERTED += [
    b"\xc3\xa9",
    b"\xf0\x9f\x98\x80",
    b"\x7f",
    b"\x1f",
    b"\r",
    b"\n",
    b"\n\n",
    b" ",
    b"\t",
    b"{",
    b"}",
    b"]",
]
INSERTED += [
    b",",
    b":",
    b'"',
    b"\\",
    b"0",
    b"-",
    b".",
    b"e",
    b"[",
    b"null",
    b', "x": 1',
    b'"call": 3, ',
    b"\x0c",
]


def told(operation: Operation) -> Any:
    """What is the same exactly if two operations are the same."""
    values = identity((operation.key, operation.args, operation.result))
    return operation.client, operation.op, values, operation.call, operation.return_, operation.error


def said_strictly(data: bytes) -> Any:
    try:
        return [told(operation) for operation in History.parse(io.BytesIO(data), "h.jsonl").operations]
    except HistoryError as error:
        return str(error)


def said_fast(data: bytes, kernels: Kernels) -> Any:
    """None if the table cannot hold it, and the strict reader is asked."""
    try:
        table = tabulated(data, "h.jsonl", kernels)
    except HistoryError as error:
        return str(error)
    except TooLarge:
        return None
    for names in (table.keys, table.values):
        assert len({identity(names.value(number)) for number in range(len(names))}) == len(names)
    return [told(operation) for operation in table.history().operations]


def agree(data: bytes, kernels: Kernels) -> bool:
    """Whether both readers say the same; TooLarge only if there is a number that is."""
    strict, fast = said_strictly(data), said_fast(data, kernels)
    if fast is None:
        return isinstance(strict, str) or any(
            not -FOREVER < number < FOREVER
            for client, _, _, call, end, _ in strict
            for number in (client, call, end or 0)
        )
    if b"[" * 500 in data and isinstance(strict, str) and isinstance(fast, str):
        # Which of two mistakes is met first then depends on how deep the stack of the caller is.
        return strict.partition("not JSON: ")[0] == fast.partition("not JSON: ")[0]
    return bool(strict == fast)


def token(random: Random) -> str:
    return random.choice(SIMPLE if random.random() < 0.8 else HARD)


def result_text(random: Random, op: Op) -> str:
    match SIGNATURES[op].result:
        case Shape.NOTHING:
            return "null"
        case Shape.FLAG:
            return random.choice(("true", "false"))
        case Shape.VALUE_OK:
            return random.choice((f"[{token(random)}, true]", "[null, false]"))
        case Shape.ACTUAL_LOADED:
            return f"[{token(random)}, {random.choice(('true', 'false'))}]"
        case Shape.PAIRS:
            return random.choice(("[]", f"[[{token(random)}, {token(random)}]]"))
        case Shape.COUNT:
            return random.choice(("0", "3"))


def mischief(random: Random, fields: dict[str, str]) -> None:
    """A field too few, or the content that another operation would have there."""
    name = random.choice(tuple(fields))
    other = random.choice(tuple(Op))
    contents = {
        "args": f"[{', '.join(token(random) for _ in range(random.randrange(4)))}]",
        "result": random.choice((result_text(random, other), f"[{token(random)}, false]")),
        "call": str(10**18 + 10**6),
        "op": f'"{other}"',
    }
    fields[name] = contents.get(name, random.choice((token(random), '"\ud800"', '"\x1f"')))
    if random.random() < 0.3:
        del fields[name]


def good_line(random: Random, free: dict[int, int]) -> str:
    """One operation, seldom a wrong one, in any order of fields and in one of four spacings."""
    op = random.choice(tuple(Op))
    client = random.choice(
        [client for client in (0, 1, 2, 7, -1, 2**40, 3) if free.get(client) != FOREVER] or [9]
    )
    call = free.get(client, 10**18) + random.choice((0, 1, 5))
    free[client] = end = call + random.choice((0, 1, 3))
    fields = {
        "client": str(client),
        "op": f'"{op}"',
        "key": token(random) if SIGNATURES[op].keyed else "null",
        "args": f"[{', '.join(token(random) for _ in SIGNATURES[op].arguments)}]",
        "result": result_text(random, op),
        "call": str(call),
        "return": str(end),
    }
    fate = random.random()
    if fate < 0.05:
        fields["return"], fields["result"] = "null", "null"
        free[client] = FOREVER
    elif fate < 0.1:
        fields["error"] = '"KeyError"'
        del fields["result"]
    if random.random() < 0.04:
        mischief(random, fields)
    items = list(fields.items())
    if random.random() < 0.01:
        items.append(random.choice(items))
    if random.random() < 0.2:
        random.shuffle(items)
    comma, colon = random.choice(((", ", ": "), (", ", ": "), (",", ":"), (" , ", " :\t")))
    return "{" + comma.join(f'"{name}"{colon}{text}' for name, text in items) + "}"


def good_file(random: Random) -> bytes:
    free: dict[int, int] = {}
    lines = [good_line(random, free) for _ in range(random.choice((1, 1, 2, 3, 6, 12)))]
    if random.random() < 0.1:
        random.shuffle(lines)
    newline = "\r\n" if random.random() < 0.05 else "\n"
    return (newline.join(lines) + (newline if random.random() < 0.9 else "")).encode("utf-8", "surrogatepass")


def flipped(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def overwritten(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def cut(random: Random, data: bytes) -> bytes:
    start = random.randrange(len(data))
    return data[:start] + data[random.choice((len(data), start + 1, start + random.randint(1, 20))) :]


def inserted(random: Random, data: bytes) -> bytes:
    at = random.choice((0, len(data), random.randrange(len(data)), random.randrange(len(data))))
    return data[:at] + random.choice(INSERTED) + data[at:]


def lines_moved(random: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    chosen = random.randrange(len(lines))
    lines.insert(random.randrange(len(lines)), lines[chosen] if random.random() < 0.5 else lines.pop(chosen))
    return b"".join(lines)


def value_replaced(random: Random, data: bytes) -> bytes:
    """Another text in place of a number, a name or a constant."""
    places = [
        i for i in range(1, len(data)) if data[i - 1 : i] in b" :,[" and data[i : i + 1] not in b" ,:]}"
    ]
    if not places:
        return data
    start = random.choice(places)
    stop = start + 1
    while stop < len(data) and data[stop : stop + 1] not in b",:]}":
        stop += 1
    return data[:start] + random.choice(SIMPLE + HARD + BAD).encode("utf-8", "surrogatepass") + data[stop:]


def bytes_at_random(random: Random, data: bytes) -> bytes:
    alphabet = random.choice((bytes(range(256)), b'{}[]",:\\0123456789-.e \n', data))
    return bytes(random.choice(alphabet) for _ in range(random.randrange(200)))


DAMAGE: tuple[Callable[[Random, bytes], bytes], ...] = (
    flipped,
    overwritten,
    cut,
    inserted,
    lines_moved,
    value_replaced,
    value_replaced,
)


def file_of(seed: int) -> bytes:
    """The file of a seed: half of them without damage, the others with one to four, or all noise."""
    random = Random(seed)
    data = good_file(random)
    if random.random() < 0.02:
        return bytes_at_random(random, data)
    for _ in range(random.choice((0, 0, 1, random.randint(1, 4)))):
        data = random.choice(DAMAGE)(random, data) or data
    return data


def disagreements(seeds: range, kernels: Kernels) -> list[int]:
    return [seed for seed in seeds if not agree(file_of(seed), kernels)]


def test_the_compiled_reader_agrees_with_the_strict_one() -> None:
    assert disagreements(range(12_000), kernels_of_reading()) == []


def test_the_plain_reader_agrees_and_stays_within_the_file() -> None:
    assert disagreements(range(20_000, 24_000), PLAIN) == []


def test_the_files_are_of_all_kinds() -> None:
    said = [said_strictly(file_of(seed)) for seed in range(2_000)]
    read = sum(isinstance(each, list) for each in said)
    assert 500 < read < 1_400
    refusals = {each.split(":", 2)[2][:25] for each in said if isinstance(each, str)}
    assert len(refusals) > 50


LINE = b'{"client": 0, "op": "store", "key": %b, "args": [1], "result": null, "call": %d, "return": %d}\n'


@pytest.mark.parametrize(
    "key",
    [
        b'"' + b"k" * 10**6 + b'"',
        b"9" * 10**6,
        b'"' + "é".encode() * 10**5 + b'"',
        b"[" * 10**5,
        b'"' + b"\\n" * 10**5 + b'"',
        b'"' + b"\xed\xa0\x80" * 1000 + b'"',
    ],
    ids=["letters", "digits", "utf-8", "brackets", "escapes", "surrogates"],
)
def test_enormous_keys(key: bytes) -> None:
    data = LINE % (key, 1, 2) + LINE % (key, 2, 3) + LINE % (b'"k"', 3, 4)
    assert agree(data, kernels_of_reading())


def test_many_names_of_every_kind() -> None:
    """More than the tables have room for at the start, and some of them hard."""
    keys = [json.dumps(n if n % 3 else str(n) * (n % 40)) for n in range(3_000)]
    keys += [f"{n}.0" for n in range(0, 3_000, 7)] + [f"{n}.5" for n in range(50)]
    data = b"".join(LINE % (key.encode(), n, n + 1) for n, key in enumerate(keys))
    assert agree(data, kernels_of_reading())
    assert agree(data, PLAIN)


MUTANTS = {
    "does not look for the comma between fields": (
        "if at < 0 or (text[at] != COMMA and text[at] != CLOSING_BRACE):",
        "if at < 0:",
    ),
    "accepts leading zeros": ("if text[first] == ZERO and (digits > 1 or negative):", "if False:"),
    "takes any field for result": (
        "if field >= 0 and spelled(",
        "if field == RESULT or field >= 0 and spelled(",
    ),
    "accepts a line without one of its fields": ("seen == ALL_FIELDS", "seen | 1 == ALL_FIELDS"),
    "accepts the surrogates of UTF-8": ("high = 159 if lead == 237 else 191", "high = 191"),
    "accepts control characters": ("text[at] == BACKSLASH or text[at] < SPACE", "text[at] == BACKSLASH"),
    "leaves escapes as they are": ("text[at] == BACKSLASH or text[at] < SPACE", "text[at] < SPACE"),
    "accepts a return before the call": (" or got[RETURN] < got[CALL]:", ":"),
    "accepts too few arguments": ("got[ARGUMENTS] != grammar[2][op]", "got[ARGUMENTS] > grammar[2][op]"),
    "accepts a found value that is missing": (
        "return kind != VALUE_OK or got[TOLD] == 1 or text[got[FOUND_SPAN]] == LETTER_N",
        "return True",
    ),
    "takes every compare for an answer of null": ("if kind != expected:", "if False:"),
    "accepts bytes after the object": ("text[at] == NEWLINE and seen", "seen"),
    "lets numbers wrap": ("digits > 19 or (digits == 19 and text[first] > FOUR)", "digits > 20"),
}


def mutant(old: str, new: str) -> Kernels:
    source = inspect.getsource(jsonl_kernel)
    assert source.count(old) == 1, old
    module = ModuleType("mutant")
    exec(compile(source.replace(old, new), "mutant", "exec"), module.__dict__)  # noqa: S102 -- our own source
    return {kernel.__name__: kernel for kernel in module.KERNELS}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_of_the_kernel_is_told_apart(name: str) -> None:
    kernels = mutant(*MUTANTS[name])
    for seed in range(40_000, 46_000):
        try:
            if not agree(file_of(seed), kernels):
                return
        except (IndexError, ArithmeticError, ValueError, AssertionError):
            return
    pytest.fail("no file told it apart")
