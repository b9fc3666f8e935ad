"""The parts of a campaign of real threads, each alone: the journal, programs, stacks, sources, yields."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import maps_for_threads as maps
import pytest

from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import Linearizable, Violation, check
from mapproof.spec.operations import SIGNATURES, WHOLE_MAP, Op
from mapproof.stateful_tests.adapters import Adapter, Form, UnsuitableTarget, adapter_for
from mapproof.stateful_tests.real_threads import accounts, record
from mapproof.stateful_tests.real_threads.journal import NOT_KEPT, Journal, Phase
from mapproof.stateful_tests.real_threads.keys import YieldingKey, with_yielding_keys
from mapproof.stateful_tests.real_threads.plan import KEYS, Pace, Step, draw, in_this_round, observers
from mapproof.stateful_tests.real_threads.probing import probe
from mapproof.stateful_tests.real_threads.processes import (
    processor_seconds,
    resident_megabytes,
    waited_for_a_processor,
)
from mapproof.stateful_tests.real_threads.rounds import IMPOSSIBLE, Round, settled
from mapproof.stateful_tests.real_threads.source import Source
from mapproof.stateful_tests.real_threads.yields import yields

ALL = dict.fromkeys(Op, (None,))


# -- the journal


class Anything:
    def __repr__(self) -> str:
        return "anything"


class Unprintable:
    def __repr__(self) -> str:
        raise OSError("no")


ANSWERS: list[tuple[Op, Any, Any]] = [
    (Op.STORE, None, None),
    (Op.LOAD, (None, False), (None, False)),
    (Op.LOAD, (None, True), (None, True)),
    (Op.LOAD, (7, True), (7, True)),
    (Op.LOAD_OR_STORE, (-7, False), (-7, False)),
    (Op.LOAD, (2**63 - 1, True), (2**63 - 1, True)),
    (Op.LOAD, (2**63, True), [2**63, True]),
    (Op.LOAD, (True, True), [True, True]),
    (Op.LOAD, ("text", True), ["text", True]),
    (Op.COMPARE_AND_SWAP, True, True),
    (Op.COMPARE_AND_SWAP, False, False),
    (Op.LEN, 0, 0),
    (Op.LEN, 2**64, None),
    (Op.RANGE, [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    (Op.LOAD, Anything(), "anything"),
]


def test_each_answer_comes_back_from_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", 2, len(ANSWERS))
    program = tuple(
        Step(op, 0, 1 if SIGNATURES[op].keyed else -1, (5, 6)[: len(SIGNATURES[op].arguments)])
        for op, _, _ in ANSWERS
    )
    journal.plan([(), (), program])
    pen = journal.pen(2)
    for place, (_, answer, _) in enumerate(ANSWERS):
        pen.calls[place] = 10 + place
        pen.answered(place, answer)
    read = Journal(tmp_path / "journal", 2, len(ANSWERS)).entries(["a", "b"])
    for (op, _, kept), entry in zip(ANSWERS, read, strict=True):
        found = entry.operation
        assert (found.client, found.op, found.key) == (2, op, "b" if SIGNATURES[op].keyed else None)
        assert found.args == (5, 6)[: len(SIGNATURES[op].arguments)]
        assert found.error is None
        if kept is not None:
            assert found.result == kept
        assert found.return_ is not None


def test_what_did_not_return_is_pending_and_what_raised_has_raised() -> None:
    journal = Journal(None, 1, 3)
    journal.plan([(), (Step(Op.STORE, 0, 0, (1,)),) * 3])
    pen = journal.pen(1)
    pen.calls[0], pen.calls[1] = 5, 6
    pen.raised(0, "OSError")
    raised, pending = journal.history([0]).operations
    assert (raised.error, raised.pending) == ("OSError", False)
    assert (pending.error, pending.pending, pending.call) == (None, True, 6)
    journal.plan([(), (Step(Op.STORE, 0, 0, (1,)),)])
    assert not journal.history([0]).operations, "a new round begins with nothing"


def test_an_answer_that_finds_no_room_is_not_made_up() -> None:
    journal = Journal(None, 1, 2)
    journal.plan([(), (Step(Op.RANGE, 0, -1, ()),) * 2])
    pen = journal.pen(1)
    for place, answer in enumerate([[["x" * 10_000, 1]] * 2, Unprintable()]):
        pen.calls[place] = 5 + place
        pen.answered(place, answer)
    assert {op.error for op in journal.history([]).operations} == {NOT_KEPT}


@pytest.mark.parametrize(
    ("damaged", "left"),
    [
        (b'"text"', ["len() -> 3"]),
        ((77).to_bytes(8, "little"), ["delete('k') -> 'text'"]),
        (b"", ["len() -> 3", "delete('k') -> 'text'"]),
    ],
)
def test_what_a_map_wrote_over_is_left_out(damaged: bytes, left: list[str], tmp_path: Path) -> None:
    """A return before the call at 77, what is no JSON."""
    journal = Journal(tmp_path / "journal", 1, 4)
    journal.plan([(), (Step(Op.LEN, 0, -1, ()), Step(Op.DELETE, 0, 0, ()))])
    pen = journal.pen(1)
    pen.calls[0], pen.calls[1] = 77, 88
    pen.answered(0, 3)
    pen.answered(1, "text")
    octets = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(octets.replace(damaged, b"\x7f" * len(damaged)) if damaged else octets)
    read = Journal(tmp_path / "journal", 1, 4)
    assert [str(entry.operation) for entry in read.entries(["k"])] == left


def test_a_journal_of_nothing_but_nonsense_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", 1, 4)
    size = (tmp_path / "journal").stat().st_size
    (tmp_path / "journal").write_bytes(b"\x07" * size)
    assert journal.phase is Phase.RUNNING
    assert journal.entries(["k"]) == []


def test_what_was_written_survives_a_process_that_is_killed(tmp_path: Path) -> None:
    """Between a call and its return, with no time for anything."""
    code = f"""
        import os, signal
        from pathlib import Path
        from mapproof.spec.operations import Op
        from mapproof.stateful_tests.real_threads.journal import Journal
        from mapproof.stateful_tests.real_threads.plan import Step
        journal = Journal(Path({str(tmp_path / "journal")!r}), 1, 3)
        journal.plan([(), (Step(Op.STORE, 0, 0, (1,)), Step(Op.DELETE, 0, 0, ()))])
        pen = journal.pen(1)
        pen.calls[0] = 1
        pen.answered(0, None)
        pen.calls[1] = 2
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert killed.returncode == -signal.SIGKILL
    done, running = Journal(tmp_path / "journal", 1, 3).history(["k"]).operations
    assert (done.op, done.key, done.args, done.pending) == (Op.STORE, "k", (1,), False)
    assert (running.op, running.pending) == (Op.DELETE, True)


def test_the_position_changes_whenever_anything_begins_or_ends() -> None:
    journal = Journal(None, 1, 2)
    journal.plan([(), (Step(Op.LEN, 0, -1, ()),)])
    seen = [journal.position()]
    pen = journal.pen(1)
    pen.calls[0] = 5
    seen.append(journal.position())
    pen.answered(0, 1)
    seen.append(journal.position())
    journal.rounds += 1
    seen.append(journal.position())
    assert len(set(seen)) == len(seen)


# -- a round


def whole_round(made: Any, **options: Any) -> tuple[Round, Journal]:
    adapter = adapter_for(made)
    programs = draw(
        adapter.forms,
        **{"clients": 3, "operations": 60, "keys": 2, "pace": Pace.BETWEEN, "random": Random(3), **options},
    )
    journal = Journal(None, 3, 60)
    one = Round(made, adapter, (0, 1), programs, journal, observers(adapter.forms, 2))
    one.run_threads()
    one.observe()
    return one, journal


def test_the_journal_tells_what_the_recorder_tells_with_longer_intervals() -> None:
    one, journal = whole_round(maps.LosesNoUpdates())

    def by_client(history: History) -> list[Operation]:
        return sorted(history.operations, key=lambda operation: (operation.client, operation.call))

    recorded = by_client(one.history())
    written = [settled(operation, dict_like=True) for operation in by_client(journal.history((0, 1)))]
    assert len(recorded) == len(written) > 180
    for ours, theirs in zip(recorded, written, strict=True):
        assert (ours.client, ours.op, ours.key, ours.args, ours.error) == (
            theirs.client,
            theirs.op,
            theirs.key,
            theirs.args,
            theirs.error,
        )
        assert ours.result == (
            theirs.result if ours.op is not Op.RANGE else [list(pair) for pair in theirs.result or []]
        )
        assert ours.return_ is not None
        assert theirs.return_ is not None
        assert theirs.call <= ours.call <= ours.return_ <= theirs.return_


def test_a_client_stops_where_its_operation_raises_and_the_others_go_on() -> None:
    class Raises(dict):  # type: ignore[type-arg]
        def __setitem__(self, key: Any, value: Any) -> None:
            if value % 3 == 0:  # client 3
                raise OSError("full")
            super().__setitem__(key, value)

    one, _ = whole_round(Raises())
    assert [raised.client for raised in one.raised] == [3]
    last = {operation.client: operation for operation in one.history().operations if operation.client}
    assert last[3].error == "OSError"
    assert Counter(operation.client for operation in one.history().operations)[1] == 60


def test_nothing_begins_after_the_deadline() -> None:
    adapter = adapter_for({})
    programs = draw(adapter.forms, clients=2, operations=5, keys=1, pace=Pace.PLAIN, random=Random(0))
    one = Round({}, adapter, (0,), programs, Journal(None, 2, 5))
    one.run_threads(deadline=0)
    assert not one.history().operations


@pytest.mark.parametrize(
    ("answer", "dict_like", "result", "error"),
    [
        ((1, True), True, (1, False), None),
        ((1, True), False, (1, True), None),
        ((2, True), True, (2, True), None),
        ("nonsense", True, None, IMPOSSIBLE),
    ],
)
def test_how_an_answer_goes_into_a_history(
    answer: Any, dict_like: bool, result: Any, error: str | None
) -> None:
    """A `setdefault` that answers its own value has stored it: nobody else gave that value."""
    found = settled(Operation(1, Op.LOAD_OR_STORE, 0, (1,), answer, 1, 2), dict_like)
    assert (found.result, found.error) == (result, error)


def test_a_recorded_history_is_judged_by_its_map() -> None:
    recorded = record(dict, adapter_for({}), clients=3, operations=50, keys=2, seed=1)
    assert len(recorded) == 150
    assert not {operation.op for operation in recorded.operations} & set(WHOLE_MAP)
    assert isinstance(check(recorded), Linearizable)


def test_recording_lets_through_what_is_no_exception() -> None:
    class Dies(dict):  # type: ignore[type-arg]
        def __setitem__(self, key: Any, value: Any) -> None:
            raise SystemExit("no more")

    with pytest.raises(SystemExit, match="no more"):
        record(Dies, adapter_for({}), clients=2, operations=50, keys=2, seed=1)


# -- programs


def test_a_program_has_its_values_to_itself_and_follows_its_seed() -> None:
    options: dict[str, Any] = {"clients": 4, "operations": 100, "keys": 3, "pace": Pace.LINES}
    programs = draw(ALL, **options, random=Random("x"))
    assert programs == draw(ALL, **options, random=Random("x"))
    assert programs != draw(ALL, **options, random=Random("y"))
    given = [
        step.args[-1]
        for program in programs
        for step in program
        if "old" not in SIGNATURES[step.op].arguments[-1:] and step.args
    ]
    assert len(given) == len(set(given)) > 100
    assert {step.key for program in programs for step in program} == {-1, 0, 1, 2}
    assert {step.op for program in programs for step in program} == set(Op)
    pauses = Counter(min(step.pause, 2) for program in programs for step in program)
    assert set(pauses) == {0, 1, 2}


def test_a_plain_round_has_no_pauses() -> None:
    programs = draw(ALL, clients=2, operations=50, keys=1, pace=Pace.PLAIN, random=Random(1))
    assert {step.pause for program in programs for step in program} == {0}


def test_most_rounds_have_no_operation_on_the_whole_map() -> None:
    random = Random(1)
    rounds = [set(in_this_round(ALL, random)) & set(WHOLE_MAP) for _ in range(300)]
    assert 60 < sum(map(bool, rounds)) < 140
    assert set(in_this_round({Op.LEN: (None,)}, random)) == {Op.LEN}


def test_a_program_of_nothing_but_the_whole_map() -> None:
    (program,) = draw({Op.LEN: (None,)}, clients=1, operations=5, keys=1, pace=Pace.PLAIN, random=Random(1))
    assert {step.op for step in program} == {Op.LEN}


def test_all_is_asked_at_the_end() -> None:
    asked = observers(ALL, max(KEYS))
    assert [step.key for step in asked[:-2]] == list(range(max(KEYS)))
    assert [step.op for step in asked[-2:]] == [Op.LEN, Op.RANGE]


# -- probing


def probed(factory: Any, ops: Any = None) -> tuple[Any, list[Step]]:
    tried: list[Step] = []
    return probe(factory, "it", ops, (), tried.append), tried


def test_each_call_is_told_before_it_is_made() -> None:
    found, tried = probed(dict)
    forms = {(op, form) for op, ways in found.adapter.forms.items() for form in range(len(ways))}
    assert {(step.op, step.form) for step in tried} == forms
    assert not found.files


def test_the_python_of_a_map_is_found() -> None:
    found, _ = probed(maps.Crossed)
    assert found.files == {maps.__file__}


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        (type("Nothing", (), {"__getitem__": int, "__setitem__": None}), "is not a map"),
        (lambda: {1: 1}, "a new one is not empty"),
        (
            type("R", (), {"__getitem__": lambda m, k: 1, "__setitem__": lambda m: 1}),
            "nothing can be stored in it",
        ),
    ],
)
def test_what_cannot_be_driven_is_refused(factory: Any, says: str) -> None:
    with pytest.raises(UnsuitableTarget, match=says):
        probed(factory)


def test_no_operation_is_left() -> None:
    with pytest.raises(UnsuitableTarget, match="no operation is left to test"):
        probed(dict, ops=())


# -- keys that yield


def test_keys_that_yield_are_as_good_as_those_they_stand_for() -> None:
    adapter = with_yielding_keys(adapter_for({}))
    m: dict[Any, Any] = {}
    adapter.perform(m, Op.STORE, 1, (5,), 0)
    adapter.perform(m, Op.STORE, 2, (6,), 0)
    assert all(isinstance(key, YieldingKey) for key in m)
    assert adapter.perform(m, Op.LOAD, 1, (), 0) == (5, True)
    assert adapter.perform(m, Op.LOAD, 3, (), 0) == (None, False)
    assert adapter.perform(m, Op.RANGE, None, (), 0) == [[1, 5], [2, 6]]
    assert adapter.render(Op.STORE, 1, (5,), 0) == "m[1] = 5"
    assert min(YieldingKey(2), YieldingKey(1)) == YieldingKey(1) != 1
    assert repr(YieldingKey("a")) == "'a'"


@pytest.mark.parametrize("answer", ["nonsense", 3, [1, 2]])
def test_a_range_of_nonsense_stays_nonsense(answer: Any) -> None:
    class Odd(dict):  # type: ignore[type-arg]
        def range(self) -> Any:
            return answer

    form = Form("m.range()", lambda m, k, args: m.range())
    adapter = with_yielding_keys(Adapter("Go-like", {Op.RANGE: (form,)}))
    assert adapter.perform(Odd(), Op.RANGE, None, (), 0) == answer


# -- sources


def local() -> Any:
    class Local(dict):  # type: ignore[type-arg]
        pass

    return Local


@pytest.mark.parametrize("factory", [lambda: {0: 1}, local(), print, 3])
def test_what_another_process_cannot_find_is_refused(factory: Any) -> None:
    with pytest.raises(UnsuitableTarget, match="another process cannot find it"):
        Source.of(factory)


def test_a_source_is_found_again() -> None:
    assert Source.of(maps.Crossed).load() is maps.Crossed
    assert Source.named("collections:OrderedDict.fromkeys", "[[1]]").load()() == {1: None}


def test_a_module_that_no_import_finds_is_loaded_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text("class Map(dict): name = __name__\nif __name__ == '__main__': 1 / 0\n")
    for module, name in (("__main__", "__mapproof_main__"), ("os", "os_of_its_own"), ("a.b.c", "a.b.c")):
        before = dict(sys.modules)
        try:
            made = Source("it", name if module == "os" else module, "Map", file=str(file)).load()
            assert getattr(made, "name", None) == (name if module != "a.b.c" else module)
        finally:
            for added in set(sys.modules) - set(before):
                del sys.modules[added]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (("math:pi",), "math:pi is a float, not a class or a factory"),
        (("math:tau.nothing",), "math has no tau.nothing"),
        (("nothing_at_all:x",), "cannot import nothing_at_all: ModuleNotFoundError"),
        (("builtins:dict", "{}"), r"--args: a list is needed, not \{\}"),
        (("builtins:dict", None, "{"), "--kwargs: not JSON"),
        (("builtins:",), "is not of the form"),
    ],
)
def test_a_wrong_source_is_refused_in_a_line(source: Any, says: str) -> None:
    with pytest.raises(UnsuitableTarget, match=says) as raised:
        Source.named(*source).load()
    assert "\n" not in str(raised.value)


# -- what people read


DUMP = f"""Fatal Python error: Aborted

Thread 0x000000000000000b (most recent call first):
  File "/usr/lib/python3/threading.py", line 327 in wait
  File "{accounts.__file__}", line 1 in barrier

Thread 0x000000000000000c (most recent call first):
  File "{accounts.__file__}", line 1 in wait_for_the_end

Current thread 0x000000000000000a (most recent call first):
  File "{accounts.__file__}", line 5 in yields_or_not
  File "/home/me/map.py", line 7 in _grow
  File "/home/me/map.py", line 12 in __setitem__
  File "{accounts.__file__}", line 1 in perform
  File "{accounts.__file__}", line 2 in record
  File "/usr/lib/python3/threading.py", line 1 in run

Thread 0x00000000000000dd (most recent call first):
  File "/home/me/map.py", line 90 in sweep
"""


def test_stacks_are_shown_under_their_clients_without_the_kits_frames() -> None:
    assert list(accounts.stacks(DUMP, {10: 2})) == [
        "  client 2, innermost first:",
        "    /home/me/map.py:7 in _grow",
        "    /home/me/map.py:12 in __setitem__",
        "  another thread, innermost first:",
        "    /home/me/map.py:90 in sweep",
    ]


def test_the_last_operations_are_few() -> None:
    operations = [Operation(1, Op.STORE, 0, (i,), None, 100 + 2 * i, 101 + 2 * i) for i in range(30)]
    pending = Operation(2, Op.LOAD, 0, (), None, 90, None)
    short = accounts.since_the_first_call([pending, *operations])
    assert [op.call for op in short[:2]] == [0, 10]
    lines = list(accounts.last_operations(short))
    assert len(lines) == 1 + accounts.LAST + 1
    assert lines[-1].split() == ["client", "2", "0..", "load(0)", "pending"]
    assert not list(accounts.last_operations([]))


# -- yields and processes


def goes_wrong(files: frozenset[str], seed: int, instructions: bool = False) -> bool:
    adapter = adapter_for({}).only(frozenset({Op.LOAD_OR_STORE, Op.LOAD}))
    programs = draw(adapter.forms, clients=2, operations=6, keys=1, pace=Pace.PLAIN, random=Random(seed))
    one = Round(maps.LosesUpdates(), adapter, (0,), programs, Journal(None, 2, 6))
    with yields(files, instructions) as join:
        one.run_threads(prepare=lambda client: join(Random(f"{seed}/{client}")))
    return isinstance(check(one.history()), Violation)


@pytest.mark.parametrize("instructions", [False, True])
def test_yields_let_a_race_happen(instructions: bool) -> None:
    """As many rounds without them hardly ever show it."""
    wrong = rounds = 0
    while wrong < 3:
        assert rounds < 2000
        wrong += goes_wrong(frozenset({maps.__file__}), rounds, instructions)
        rounds += 1
    assert sum(goes_wrong(frozenset(), seed) for seed in range(rounds)) < 3


def test_threads_that_did_not_join_are_left_alone() -> None:
    with yields(frozenset({maps.__file__}), False):
        maps.LosesUpdates().setdefault(1, 2)
    assert sys.gettrace() is None or sys.version_info < (3, 12)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not tell")
def test_a_process_that_was_not_let_run_is_told_from_one_that_waits() -> None:
    """Three that compute on one processor, beside one that sleeps."""
    core = min(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, [{core}]); print(1, flush=True)\nwhile True: pass"
    codes = [spin, spin, spin, "import sys; print(1, flush=True); sys.stdin.read()"]
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for code in codes
    ]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        before = [sum((waited_for_a_processor(process.pid) or {}).values()) for process in running]
        time.sleep(0.4)
        after = [sum((waited_for_a_processor(process.pid) or {}).values()) for process in running]
    finally:
        for process in running:
            process.kill()
            process.communicate()
    *spinning, asleep = (late - early for early, late in zip(before, after, strict=True))
    assert sum(spinning) > 0.3
    assert processor_seconds(os.getpid()) > 0
    assert processor_seconds(running[0].pid) == 0
    assert asleep < 0.1
    assert waited_for_a_processor(running[0].pid) is None
    assert (resident_megabytes(os.getpid()) or 0) > 1
    assert resident_megabytes(running[0].pid) is None


def test_a_round_whose_threads_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if threading.active_count() > before:
            raise RuntimeError("can't start new thread")
        started(thread)

    adapter: Adapter = adapter_for({})
    programs = draw(adapter.forms, clients=3, operations=5, keys=1, pace=Pace.PLAIN, random=Random(0))
    one = Round({}, adapter, (0,), programs, Journal(None, 3, 5))
    before = threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start"):
        one.run_threads()
    assert not one.history().operations
