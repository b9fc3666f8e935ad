"""Other tools' formats: what each means, that each mistake is one clear line, and that no bytes do worse."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from math import inf, isnan
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from mapproof.spec.formats import FORMATS, detect, edn, jepsen, porcupine, read_history
from mapproof.spec.formats.edn import Character, Keyword, Symbol, Tagged
from mapproof.spec.history import HistoryError, Operation
from mapproof.spec.linearizability import Linearizable, Violation, check
from mapproof.spec.linearizability.any_model import check_model
from mapproof.spec.objects import StringStore
from mapproof.spec.operations import Op

DATA = Path(__file__).parent / "data"

# -- EDN


def values(text: str | bytes) -> list[Any]:
    raw = text.encode() if isinstance(text, str) else text
    return [form.value for form in edn.forms(raw.splitlines(keepends=True), "f")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nil", None),
        ("true", True),
        ("-12", -12),
        ("12N", 12),
        ("9" * 4000, int("9" * 4000)),
        ("-1.5e3", -1500.0),
        ("1.50M", Decimal("1.50")),
        ("##Inf", inf),
        ("##-Inf", -inf),
        (r'"a\t\"\\\u00e9\ud83d\ude00é"', 'a\t"\\é😀é'),
        ('"two\nlines"', "two\nlines"),
        (":a/b", Keyword("a/b")),
        (":1", Keyword("1")),
        ("+", Symbol("+")),
        ("a.b/c", Symbol("a.b/c")),
        (r"\newline", Character("\n")),
        (r"\(", Character("(")),
        (r"\u0041", Character("A")),
        ("{:a [1 (2 3)], \n:b #{1 [2]}}", {Keyword("a"): [1, [2, 3]], Keyword("b"): frozenset({1, (2,)})}),
        ("{[1 {2 3}] 4}", {(1, frozenset({(2, 3)})): 4}),
        ("#a.b/c {:x 1}", Tagged("a.b/c", {Keyword("x"): 1})),
        ("#a #b #_ 1 [2]", Tagged("a", Tagged("b", [2]))),
    ],
)
def test_a_form_is_read(text: str, value: Any) -> None:
    assert values(text) == [value]


def test_not_a_number_is_one() -> None:
    (value,) = values("##NaN")
    assert isnan(value)


def test_what_is_no_value_is_passed_over() -> None:
    assert values(" , ; comment [ \n 1 #_ #_ 2 [3 4] 5 ;end") == [1, 5]
    assert values("") == values("[]") == values("#_ 1") == []


def test_a_vector_or_list_at_the_top_is_a_sequence_and_is_read_as_it_comes() -> None:
    assert values("[1 [2] {3 4}] (5) 6") == [1, [2], {3: 4}, 5, 6]

    def lines() -> Iterator[bytes]:
        yield b"[1 2\n"
        raise AssertionError("read ahead")

    assert next(edn.forms(lines(), "f")).value == 1


def test_names_are_the_same_only_among_their_kind() -> None:
    assert len({Keyword("a"), Symbol("a"), Character("a"), "a", Keyword("b"), Keyword("a")}) == 5
    assert [*map(repr, values(r":a a \a #t a"))] == [":a", "a", r"\a", "#t a"]
    assert values("#t [1 2]")[0] != values("#t [1 3]")[0]
    assert len({*values("#t [1 2] #t [1 2]")}) == 1


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (b"1\n \xff", "f:2:2: not UTF-8"),
        (b"[1 2", "f:1:1: '[' is not closed"),
        (b"(1\n {2 [3}", "f:2:7: '}' where '[' of line 2 is open"),
        (b"1 )", "f:1:3: ')' where nothing is open"),
        (b'\n "abc', "f:2:2: the string is not closed"),
        (rb'"\x"', "f:1:2: '\\\\x'".replace("'\\\\x'", "\\'x' is no escape in a string")),
        (rb'"\ud83d"', "f:1:2: half of a character"),
        (rb"\u12", "f:1:1: \\'u12' is no character"),
        (b"01", "f:1:1: '01' is no value"),
        (b"1/2", "f:1:1: '1/2' is no value"),
        (b"::a", "f:1:1: '::a' is no keyword"),
        (b"#1 2", "f:1:1: '#1' is no tag"),
        (b"#t", "f:1:1: '#t' is followed by nothing"),
        (b"##Nan", "f:1:1: '##Nan' is no tag"),
        (b"[1\n{1 2 3}]", "f:2:1: a map has a key without a value"),
        (b"{1 2 1 3}", "f:1:1: a map has the same key twice"),
        (b"#{1 2 1}", "f:1:1: a set has the same member twice"),
        (b"[" * 101, "f:1:101: nested deeper than 100 levels"),
        (b"#_" * 101, "f:1:201: nested deeper than 100 levels"),
        (b"9" * 5000, "f:1:1: a number of more than 4300 digits"),
        (b"1e" + b"9" * 30 + b"M", f"f:1:1: '1e{'9' * 30}M' is out of range"),
        (b"1 \\ ", "f:1:3: a lone backslash"),
    ],
)
def test_a_mistake_in_edn_is_one_line_with_its_place(text: bytes, wrong: str) -> None:
    with pytest.raises(HistoryError, match=f"^{re.escape(wrong)}$"):
        values(text)


def test_long_strings_and_deep_nesting_take_no_time() -> None:
    start = perf_counter()
    assert values(b'"' + b"\\n" * 500_000 + b"x" * 500_000 + b'"') == ["\n" * 500_000 + "x" * 500_000]
    assert values(b'"' + b"\n" * 200_000 + b'"') == ["\n" * 200_000]
    assert len(values(b"[" * 99 + b"]" * 99)) == 1
    with pytest.raises(HistoryError, match="is not closed"):
        values(b'"' + b"\\n" * 500_000)
    assert perf_counter() - start < 10


# -- Jepsen


def told(operation: Operation) -> str:
    return f"{operation.client}: {operation} {operation.call}..{operation.return_}"


def test_a_register_is_a_map_with_one_key() -> None:
    history = read_history(DATA / "register.edn")
    assert [*map(told, history.operations)] == [
        "1: load(None) -> (None, False) 1..3",
        "0: store(None, 1) -> None 0..4",
        "1: compare_and_swap(None, 1, 2) -> True 5..7",
        "0: store(None, 5) pending 9..None",
        "2: load(None) -> (5, True) 11..12",
        "2: delete(None) pending 13..None",
    ]
    assert isinstance(check(history), Linearizable)


def test_keys_in_values_are_the_keys_of_the_map() -> None:
    history = read_history(DATA / "independent.edn")
    assert [*map(told, history.operations)] == [
        "0: store('x', 1) -> None 0..2",
        "1: load_or_store('y', 7) -> (7, False) 1..3",
        "0: load('y') -> (7, True) 4..5",
        "0: load('x') -> (7, True) 6..7",
    ]
    answer = check(history)
    assert isinstance(answer, Violation)
    assert answer.key == "x"


def jepsen_lines(*events: str) -> list[str]:
    """`process type f value` each, the value the rest of the line."""
    lines = []
    for event in events:
        process, kind, f, value = event.split(" ", 3)
        lines.append(f"{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    return [told(operation) for operation in jepsen.read([line.encode() for line in lines], "h.edn")]


def test_nil_is_the_missing_key() -> None:
    assert jepsen_lines(
        "0 invoke cas [nil nil]", "0 ok cas [nil nil]", "0 invoke cas [1 nil]", "0 ok cas [1 nil]"
    ) == ["0: load(None) -> (None, False) 0..1", "0: compare_and_delete(None, 1) -> True 2..3"]
    assert jepsen_lines("0 invoke cas [nil 1]", "1 invoke cas [1 nil]", "0 info cas :timed-out") == [
        "0: load_or_store(None, 1) pending 0..None",
        "1: compare_and_delete(None, 1) pending 1..None",
    ]
    assert jepsen_lines("0 invoke read nil", "1 invoke cas [nil nil]") == [
        "0: load(None) pending 0..None",
        "1: load(None) pending 1..None",
    ]


def test_what_failed_did_not_happen() -> None:
    assert jepsen_lines("0 invoke write 1", "0 fail write 1", "0 invoke cas [1 2]", "0 fail cas [1 2]") == []


def test_a_map_may_say_its_key_in_a_field_or_in_a_tagged_tuple() -> None:
    lines = [
        b'{:process 0 :type :invoke :f :put :key "a" :value [1 2]}',
        b'{:process 0 :type :ok :f :put :key "a"}',
        b"{:process 0 :type :invoke :f :delete :key :b}",
        b"{:process 0 :type :ok :f :delete}",
        b"{:process 0 :type :invoke :f :get :value #jepsen.independent.Tuple [3 nil]}",
        b"{:process 0 :type :ok :f :get :value [3 [4 5]]}",
    ]
    assert [*map(told, jepsen.read(lines, "h"))] == [
        "0: store('a', [1, 2]) -> None 0..1",
        "0: delete(:b) -> None 2..3",
        "0: load(3) -> ([4, 5], True) 4..5",
    ]


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        (["0 ok read 1"], "h.edn:1: process: 0 ends a read that it never invoked"),
        (["0 info read 1"], "h.edn:1: process: 0 ends a read that it never invoked"),
        (["0 invoke read nil", "0 invoke write 1"], "h.edn:2: process: 0 is still running its read"),
        (["0 invoke read nil", "0 ok write 1"], "h.edn:2: f: write ends the read of process 0"),
        (
            ["0 invoke write 1", "0 info write 1", "0 invoke write 1"],
            "h.edn:3: process: 0 crashed (:info) in line 2",
        ),
        (
            ["0 invoke txn []"],
            "h.edn:1: f: no operation 'txn'; one of read, get, write, put, cas, delete",
        ),
        (["0 sleep read nil"], "h.edn:1: type: none of :invoke, :ok, :fail, :info"),
        (["nil invoke read nil"], "h.edn:1: process: neither a whole number nor a keyword like :nemesis"),
        (["true invoke read nil"], "h.edn:1: process: neither a whole number nor a keyword like :nemesis"),
        (["0 invoke cas 1"], "h.edn:1: value: a cas takes [old new]"),
        (["0 invoke write [1 2]", "1 invoke read nil"], "h.edn:2: value: [key value] expected, as in line 1"),
        (
            ["0 invoke write 1", "1 invoke read [1 nil]"],
            "h.edn:2: value: nil expected, as line 1 has no [key value]",
        ),
        (
            ["0 invoke read [1 nil]", "0 ok read [2 5]"],
            "h.edn:2: key: not the one that process 0 called read for",
        ),
        (["0 invoke read [1 nil]", "0 ok read 5"], "h.edn:2: value: [key value] expected, as in line 1"),
    ],
)
def test_a_mistake_in_a_log_is_one_line(events: list[str], wrong: str) -> None:
    with pytest.raises(HistoryError, match=f"^{re.escape(wrong)}$"):
        jepsen_lines(*events)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"{:process 0 :f :read}", "h:1: type: the field is missing"),
        (b"{:process 0 :type :ok :f 1}", "h:1: f: not a keyword"),
        (b"17", "h:1: an event is a map like {:process 0, :type :invoke, :f :read, :value nil}"),
    ],
)
def test_a_mistake_in_an_event_is_one_line(line: bytes, wrong: str) -> None:
    with pytest.raises(HistoryError, match=f"^{re.escape(wrong)}$"):
        [*jepsen.read([line], "h")]


# -- Porcupine


def test_a_log_of_strings_goes_with_the_string_store() -> None:
    history = read_history(DATA / "strings.txt")
    assert [*map(told, history.operations)] == [
        "0: append('a', 'x 0 0 y') -> None 0..2",
        "1: append('a', 'x 1 0 y') -> None 1..3",
        "0: get('a') -> 'x 1 0 yx 0 0 y' 4..5",
        "1: get('b') -> '' 6..7",
        "0: put('b', 'z') pending 8..None",
    ]
    assert isinstance(check_model(history, StringStore()), Linearizable)
    assert [name for name, format in FORMATS.items() if format.model == StringStore()] == ["porcupine-kv"]


def test_a_failed_cas_of_etcd_found_another_value() -> None:
    history = read_history(DATA / "etcd.log")
    assert [*map(told, history.operations)] == [
        "0: store(None, 3) -> None 0..3",
        "1: compare_and_swap(None, 4, 5) -> False 2..4",
        "1: compare_and_swap(None, 3, 1) pending 8..None",
        "0: load(None) -> (1, True) 6..10",
    ]
    assert isinstance(check(history), Linearizable)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (
            b'{:process 0 :type :invoke :f :cas :key "a" :value "b"}',
            "f: no operation 'cas'; one of get, put, append",
        ),
        (b'{:process 0 :type :invoke :f :put :key 1 :value "b"}', "key: not a string"),
        (b'{:process 0 :type :invoke :f :put :key "a" :value 1}', "value: not a string"),
    ],
)
def test_a_mistake_in_a_log_of_strings_is_one_line(line: bytes, wrong: str) -> None:
    with pytest.raises(HistoryError, match=f"^h:1: {re.escape(wrong)}$"):
        [*porcupine.read_kv([line], "h")]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("INFO jepsen.util - 0 :invoke :read 3", "value: 3 is none of read"),
        ("INFO jepsen.util - 0 :invoke :cas 3", "value: 3 is none of cas"),
        ("INFO jepsen.util - 0 :invoke :write [3 4]", "value: [3 4] is none of write"),
        ("INFO jepsen.util - 0 :invoke :add 3", "not a line like 'INFO  jepsen.util - 0 :invoke :read nil'"),
        ("hello", "not a line like 'INFO  jepsen.util - 0 :invoke :read nil'"),
        ("INFO jepsen.util - 0 :ok :read 3", "process: 0 ends a read that it never invoked"),
    ],
)
def test_a_mistake_in_an_etcd_log_is_one_line(line: str, wrong: str) -> None:
    with pytest.raises(HistoryError, match=f"^h:1: {re.escape(wrong)}$"):
        [*porcupine.read_etcd([line.encode()], "h")]


# -- which format


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("register.edn", "jepsen"),
        ("independent.edn", "jepsen"),
        ("strings.txt", "porcupine-kv"),
        ("etcd.log", "porcupine-etcd"),
    ],
)
def test_a_format_shows(file: str, name: str) -> None:
    assert detect(DATA / file) == name
    assert detect((DATA / file).read_bytes()) == name


def test_what_shows_no_other_format_is_ours(tmp_path: Path) -> None:
    line = b'{"client": 0, "op": "len", "key": null, "args": [], "result": 0, "call": 0, "return": 1}\n'
    assert detect(line) == detect(b"") == "jsonl"
    file = tmp_path / "a.edn"
    file.write_bytes(line)
    assert read_history(file, "jsonl").operations[0].op is Op.LEN
    file.write_bytes(b"[]")
    with pytest.raises(HistoryError, match="holds no operation"):
        read_history(file)
    with pytest.raises(ValueError, match="no format 'json'; one of jsonl, jepsen"):
        read_history(file, "json")


# -- whatever the bytes


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content after a few random accidents."""
    for _ in range(rng.randint(1, 2)):
        lines, at = content.splitlines(keepends=True), rng.randrange(len(content) or 1)
        match rng.randrange(5):
            case 0:
                content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
            case 1:
                content = content[:at] + content[at + rng.randint(1, 9) :]
            case 2:
                rng.shuffle(lines)
                content = b"".join(lines)
            case 3:
                content += b"".join(rng.choices(lines or [b"x"], k=2))
            case _:
                piece = rng.choice([b"[", b"}", b"#_", b'"', b"\\", b":", b"nil", b"#{", b" 9", b";", b"\n"])
                content = content[:at] + piece + content[at:]
    return content


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("jepsen", "register.edn"),
        ("jepsen", "independent.edn"),
        ("porcupine-kv", "strings.txt"),
        ("porcupine-etcd", "etcd.log"),
    ],
)
def test_any_bytes_are_operations_or_an_error_of_one_line(name: str, file: str) -> None:
    rng = random.Random(file)
    good = [(DATA / file).read_bytes()] * 9 + [path.read_bytes() for path in sorted(DATA.iterdir())]
    read = bad = 0
    for _ in range(2000):
        noise = rng.randbytes(rng.randint(0, 60))
        content = noise if rng.random() < 0.2 else damaged(rng.choice(good), rng)
        try:
            operations = [*FORMATS[name].read(BytesIO(content), "h")]
        except HistoryError as error:
            bad += 1
            assert re.fullmatch(r"h:\d+:.*", str(error)), str(error)
        else:
            read += 1
            assert all(op.return_ is None or op.call < op.return_ for op in operations)
            [*map(hash, map(str, operations))]
    assert min(read, bad) > 30


# -- the manual


PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()


@pytest.mark.parametrize("name", ["jepsen", "porcupine-kv", "porcupine-etcd"])
def test_the_example_of_the_manual_is_a_history_of_its_format(name: str) -> None:
    section = PAGE.partition(f"\n## `{name}`\n")[2]
    example = re.search(r"```\w+\n(.*?)```", section, re.DOTALL)
    assert example is not None
    raw = example[1].encode()
    assert detect(raw) == name
    operations = [*FORMATS[name].read(BytesIO(raw), "h")]
    assert len(operations) > 1
    model = FORMATS[name].model
    answer = check(operations) if model is None else check_model(operations, model)
    assert isinstance(answer, Linearizable)


def test_the_manual_names_the_formats() -> None:
    assert re.findall(r"^\| `([\w-]+)` \|", PAGE.partition("A reader takes")[0], re.MULTILINE) == [*FORMATS]


def test_the_errors_of_the_manual_are_the_errors() -> None:
    *_, errors = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    of_edn, of_an_event = errors.splitlines()
    with pytest.raises(HistoryError) as caught:
        [*edn.forms([b"1", b"2", b"{:value [1 }"], "history.edn")]
    assert str(caught.value) == of_edn
    write = b"{:process 4 :type :invoke :f :write :value 1}"
    with pytest.raises(HistoryError) as caught:
        [*jepsen.read([*[b""] * 5, write, write], "history.edn")]
    assert str(caught.value) == of_an_event
