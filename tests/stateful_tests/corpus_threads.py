"""Programs that start threads of their own, which end with the run if nobody waits for them."""

from __future__ import annotations

import threading
from typing import Any

from corpus import Corpus, Made, each

from mapproof.impl.sync import Atomic, AtomicInt, Mutex

program = Corpus()


@program
def started_and_waited_for() -> Made:
    cell = Atomic(0)

    def work() -> Any:
        thread = threading.Thread(target=cell.store, args=(1,))
        thread.start()
        before = cell.load()
        thread.join()
        return before, cell.load()

    return each(work)


@program
def not_waited_for() -> Made:
    """The thread may have done nothing, one step or both when its starter is done, who does not look."""
    cell, other = Atomic(0), Atomic(0)

    def in_the_background() -> None:
        cell.store(1)
        cell.store(2)

    def work() -> None:
        threading.Thread(target=in_the_background).start()
        other.load()

    tasks, _ = each(work)
    return tasks, cell.peek


@program
def two_start_one_each() -> Made:
    cell = AtomicInt(0)

    def start() -> None:
        threading.Thread(target=cell.add, args=(1,)).start()

    return each(start, lambda: (start(), cell.load())[1])


@program
def started_by_one_of_two() -> Made:
    cell = Atomic(0)

    def start() -> None:
        threading.Thread(target=cell.store, args=(1,)).start()

    return each(start, cell.load)


@program
def joined_with_the_lock_that_it_needs() -> Made:
    mutex = Mutex()

    def in_the_background() -> None:
        with mutex:
            pass

    def work() -> str:
        thread = threading.Thread(target=in_the_background)
        thread.start()
        with mutex:
            thread.join()
        return "joined"

    return each(work)


@program
def joined_perhaps_before_it_is_started() -> Made:
    cell = Atomic(0)
    thread = threading.Thread(target=cell.store, args=(1,))

    def join() -> Any:
        try:
            thread.join()
        except RuntimeError:
            return "not started"
        return cell.load()

    return each(thread.start, join)


@program
def asked_whether_it_lives() -> Made:
    cell = Atomic(0)
    thread = threading.Thread(target=cell.store, args=(1,))
    return each(thread.start, thread.is_alive)
