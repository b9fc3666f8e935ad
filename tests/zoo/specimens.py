"""What is wrong with each broken map of the zoo, and the smallest program that shows it.

The idea: the maps themselves say nothing that a stranger's would not, so what the kit knows of them is here. A
program is written as words (see `stateful_tests.catalogue.words`): what client 0 does first, then what each of the
threads does at once. It fails in some schedule with so many preemptions, and in none with fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.scenarios import Call, Scenario

ZOO: Final = Path(__file__).parent
BROKEN: Final = sorted(path.stem for path in (ZOO / "broken").glob("*.py"))
CORRECT: Final = sorted(path.stem for path in (ZOO / "correct").glob("*.py"))


@dataclass(frozen=True, slots=True)
class Specimen:
    """A broken map: `mechanism` is how its kind of bug is called, `kind` names the failure that the program shows."""

    mechanism: str
    setup: str
    threads: tuple[str, ...]
    preemptions: int
    kind: str

    def scenario(self, adapter: Adapter) -> Scenario:
        """The program, on whole numbers as keys: their hashes are the same in every process."""
        read = scenario_of(adapter, self.setup, *self.threads)
        setup, *threads = (tuple(_numbered(program)) for program in (read.setup, *read.threads))
        return Scenario(setup, tuple(threads), tuple(_numbered(read.observers)))

    @property
    def size(self) -> str:
        """Threads x operations of the longest."""
        return f"{len(self.threads)} x {max(text.count(';') + 1 for text in self.threads)}"


def _numbered(program: tuple[Call, ...]) -> Iterator[Call]:
    for call in program:
        yield call if call.key is None else replace(call, key=int(call.key))


def _violation(mechanism: str, setup: str, *threads: str, preemptions: int = 1) -> Specimen:
    return Specimen(mechanism, setup, threads, preemptions, "not linearizable")


def _deadlock(mechanism: str, setup: str, *threads: str, preemptions: int = 1) -> Specimen:
    return Specimen(mechanism, setup, threads, preemptions, "deadlock")


def _leak(mechanism: str, setup: str, *threads: str, preemptions: int = 1) -> Specimen:
    return Specimen(mechanism, setup, threads, preemptions, "lock not given back")


def _exception(mechanism: str, setup: str, *threads: str, preemptions: int = 1) -> Specimen:
    return Specimen(mechanism, setup, threads, preemptions, "exception")


_BOTH_INSERT: Final = ("load_or_store 0 1", "load_or_store 0 2")
_BOTH_STORE: Final = ("store 0 1", "store 1 2")

SPECIMENS: Final[Mapping[str, Specimen]] = {
    "abba": _deadlock("locks taken in opposite orders", "", "store 0 1", "delete 0"),
    "ask_forgiveness": _violation("check-then-act", "", *_BOTH_INSERT),
    "check_then_act": _violation("check-then-act", "", *_BOTH_INSERT),
    "clear_key_by_key": _exception("a bulk operation as many small ones", "store 0 1", "clear", "clear"),
    "compare_and_publish": _violation("compare-and-set in two steps", "", *_BOTH_STORE),
    "compare_then_swap": _violation(
        "one critical section made two", "store 0 1", "compare_and_swap 0 1 2", "compare_and_swap 0 1 3"
    ),
    "copy_lost": _violation("copy-on-write with a lost race", "", *_BOTH_STORE),
    "double_check": _violation("double-checked locking without the second check", "", *_BOTH_INSERT),
    "early_invalidation": _violation(
        "cache invalidated before the write", "store 0 1", "store 0 2", "load 0"
    ),
    "early_notify": _deadlock("notified before the change", "", "load 0", "load 0"),
    "early_return": _leak("early return with the lock held", "", *_BOTH_INSERT),
    "event_gate": _violation("an Event for a lock", "", *_BOTH_INSERT, preemptions=2),
    "expired_entry": _violation("expiry checked, then acted upon", "store 0 1; clear", "load 0", "store 0 2"),
    "first_reader": _deadlock("reader count not atomic", "", "load 0", "load 0"),
    "fresh_lock": _violation("lock made in the call", "", *_BOTH_INSERT),
    "half_built_table": _violation(
        "published before it is built", "store 0 1; store 1 2", "store 2 3", "load 0"
    ),
    "if_not_while": _violation(
        "`if` in place of `while` around a wait",
        "",
        "load 0; load_or_store 0 1",
        "load_or_store 0 2",
        preemptions=2,
    ),
    "key_in_motion": _violation(
        "key in motion between two tables", "store 0 1; store 1 2; store 2 3", "load 0", "load 0"
    ),
    "key_locks": _violation("lock made on first use", "", *_BOTH_INSERT, preemptions=2),
    "late_version": _violation("validated against a version read too late", "", *_BOTH_INSERT),
    "lazy_buckets": _violation("made on first use, twice", "", *_BOTH_INSERT),
    "leaky_lock": _deadlock("exception with the lock held", "", "delete 0", "load 0", preemptions=0),
    "lossy_resize": _violation("resize that loses writes", "store 0 1", "store 1 2", "store 2 3"),
    "lost_update_len": _violation("lost update of a counter", "", *_BOTH_STORE),
    "lost_wakeup": _deadlock("lost wakeup", "", "load 0", "load 0", preemptions=2),
    "lru_splice": _violation(
        "unlocked splice of a linked list", "store 0 1; store 1 2", "load 0", "load_and_delete 1"
    ),
    "notify_one": _deadlock("notify where notify_all is needed", "", "store 0 1", "store 0 2", "load 0"),
    "one_permit_at_a_time": _deadlock("permits taken one by one", "", *_BOTH_STORE),
    "others_lock": _exception("somebody else's lock released", "", "store 0 1", "load 0"),
    "own_rlock": _deadlock("home-made reentrant lock", "", *_BOTH_INSERT, preemptions=2),
    "parallel_lists": _exception("torn read of two fields", "store 0 1; store 1 2", "load 1", "delete 0"),
    "remembered_size": _violation("memo refilled after its invalidation", "", "len", "store 0 1"),
    "replaced_lock": _exception(
        "lock replaced while it is awaited",
        "",
        "load_and_delete 0",
        "clear",
        "store 0 1; load_and_delete 0",
        preemptions=2,
    ),
    "scratch_attribute": _violation(
        "working variable kept in the object", "store 0 1; store 1 2", "load 0", "load 1"
    ),
    "seqlock_odd": _violation("seqlock that accepts a write in progress", "store 0 1", "store 0 2", "load 0"),
    "slot_twice": _violation("slot handed out twice", "", *_BOTH_STORE),
    "stale_cache": _violation("torn read of two fields", "store 0 1; store 1 2", "load 0", "load 1"),
    "stale_stripe": _violation(
        "lock chosen before a resize",
        "store 0 1; store 1 2; store 2 3; store 3 4",
        "store 4 5; load_or_store 5 6",
        "load_or_store 5 7",
        preemptions=2,
    ),
    "swept_tombstones": _violation(
        "write to a slot that was swept away", "store 0 1; store 1 2; delete 0", "store 0 3", "delete 1"
    ),
    "thread_snapshot": _violation(
        "thread-local copy gone stale", "store 0 1", "store 0 2", "load 0; load 0", preemptions=2
    ),
    "torn_pop": _exception("check-then-act", "store 0 1", "load_and_delete 0", "load_and_delete 0"),
    "two_locks": _exception("two locks for one datum", "store 0 1", "load_or_store 0 2", "delete 0"),
    "unlinked_node": _violation("insertion behind an unlinked node", "store 0 1", "store 1 2", "delete 0"),
    "unlocked_iter": _exception("iterator invalidated", "store 0 1", "range", "store 1 2"),
    "upgrade_deadlock": _deadlock("lock upgrade", "", *_BOTH_INSERT),
    "weak_index": _violation(
        "weak reference whose callback removes a newer entry", "", "store 0 1", "store 0 2"
    ),
    "write_buffer": _violation("buffer swapped while it is written to", "", "store 0 1", "load 1"),
}


def own_class(module: Any) -> Any:
    """The one public class that a module of the zoo defines."""
    (found,) = (
        value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    )
    return found
