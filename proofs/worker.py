"""A process that runs groups of jobs: `python -m mapproof.proofs.worker OPTIONS`, spoken to in lines of JSON.

The idea: provers crash, and hold the interpreter while they search; so they run in a process that may die alone.
On its standard input come the names of the jobs of one group and their time; on its standard output go what it is
at, what each job showed, and the end of the group. It ends at once when its input does: nobody is waiting then.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import BinaryIO

import msgspec

from mapproof.proofs.checks import Job, Options, Shown, show
from mapproof.proofs.jobs import statements


class Order(msgspec.Struct, frozen=True):
    """The jobs of one group, by name, each with so many seconds at most."""

    jobs: tuple[str, ...]
    timeout: float


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the answer: what is being done, or what a job showed, or the end of the group."""

    at: str = ""
    shown: Shown | None = None
    done: bool = False


def main(options: str) -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a prover prints is no answer
    jobs = {job.name: job for job in statements(msgspec.json.decode(options, type=Options))}

    def say(message: Message) -> None:
        answers.write(msgspec.json.encode(message) + b"\n")

    for order in _orders(sys.stdin.buffer):
        for name in order.jobs:
            say(Message(at=name))
            say(Message(shown=_shown(jobs[name], order.timeout, say)))
        say(Message(done=True))


def _shown(job: Job, timeout: float, say: Callable[[Message], None]) -> Shown:
    return show(job, timeout, lambda text: say(Message(at=f"{job.name}: {text}")))


def _orders(stream: BinaryIO) -> Iterator[Order]:
    """The orders as they come; a thread reads them, so that the end is noticed in the midst of a job."""
    waiting: SimpleQueue[Order] = SimpleQueue()

    def read() -> None:
        for line in stream:
            waiting.put(msgspec.json.decode(line, type=Order))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


if __name__ == "__main__":
    main(sys.argv[1])
