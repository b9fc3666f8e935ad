"""A process that runs one group of jobs: `python -m mapproof.proofs.table.worker OPTIONS ORDER`, both JSON.

The idea: provers crash, hold the interpreter while they search, and answer with another model when they have been
asked something else before; so each group has a process to itself. On its standard output go, in lines of JSON, what
it is at and what each job showed. It ends at once when its standard input does: nobody is waiting then.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import msgspec

from mapproof.proofs.table.checks import Job, Options, Shown, show
from mapproof.proofs.table.jobs import statements


class Order(msgspec.Struct, frozen=True):
    """The jobs of one group, by name, each with so many seconds at most."""

    jobs: tuple[str, ...]
    timeout: float


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the answer: what is being done, or what a job showed."""

    at: str = ""
    shown: Shown | None = None


def main(options: str, order: str) -> None:
    """Run the group."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a prover prints is no answer
    threading.Thread(target=_end_with_the_input, daemon=True).start()

    def say(message: Message) -> None:
        answers.write(msgspec.json.encode(message) + b"\n")

    asked = msgspec.json.decode(order, type=Order)
    jobs = {job.name: job for job in statements(msgspec.json.decode(options, type=Options))}
    for name in asked.jobs:
        say(Message(at=name))
        say(Message(shown=_shown(jobs[name], asked.timeout, say)))
    os._exit(0)  # the thread waits in vain


def _shown(job: Job, timeout: float, say: Callable[[Message], None]) -> Shown:
    return show(job, timeout, lambda text: say(Message(at=f"{job.name}: {text}")))


def _end_with_the_input() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
