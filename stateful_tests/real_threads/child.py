"""The process that a map under real threads runs in: `python -m mapproof.stateful_tests.real_threads.child DIRECTORY`.

The idea: rounds, one after the other, each on a new map, each judged before the next one begins, until one fails or the
time is over. What a Python program can notice of itself is in the answer; everything else (a crash, a hang, an end
out of nowhere) is for the parent to notice, from the journal, which says which operations were running.
"""

from __future__ import annotations

import faulthandler
import os
import platform
import shutil
import signal
import sys
import sysconfig
import threading
import traceback
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random
from time import perf_counter_ns as now
from typing import Any, Final

from mapproof.spec.history import History
from mapproof.spec.linearizability import Unknown, Violation, check
from mapproof.spec.operations import SIGNATURES, WHOLE_MAP
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.real_threads.accounts import TIMES, own_frames, since_the_first_call, table
from mapproof.stateful_tests.real_threads.journal import Journal, Phase
from mapproof.stateful_tests.real_threads.messages import (
    HISTORY,
    JOURNAL,
    STACKS,
    Answer,
    Description,
    Failed,
    Fault,
    Request,
    read_request,
    write_answer,
    write_description,
)
from mapproof.stateful_tests.real_threads.plan import KEYS, Pace, Step, draw, in_this_round, observers
from mapproof.stateful_tests.real_threads.probing import Probed, probe
from mapproof.stateful_tests.real_threads.rounds import Raised, Round
from mapproof.stateful_tests.real_threads.yields import Join, yields

SWITCH_INTERVAL: Final = 1e-6
"""Seconds after which a thread that wants to run asks for the GIL: as short as Python allows."""

MOST_CONFIGURATIONS: Final = 100_000


def main(directory: Path) -> None:
    """Do what the parent asks for in that directory, and end the process."""
    request = read_request(directory)
    sys.path[:] = request.path
    with open(directory / STACKS, "wb") as stacks:
        _tell_stacks(stacks)
        _end_with_the_parent(directory)
        try:
            answer = _campaign(directory, request)
        except UnsuitableTarget as refusal:
            answer = Answer(refused=str(refusal))
        except BaseException:  # noqa: BLE001 - told by the parent
            answer = Answer(broken=traceback.format_exc())
        write_answer(directory, answer)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)  # threads that the map started must not keep the process, nor its end say anything


def _tell_stacks(stacks: Any) -> None:
    """Write the stacks of all threads when the process crashes, and when the parent asks by a signal."""
    faulthandler.enable(stacks)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, stacks)


def _end_with_the_parent(directory: Path) -> None:
    """The standard input is a pipe from the parent, which writes nothing: it ends when the parent does, who would have
    removed the directory."""
    pipe = os.dup(0)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)

    def wait_for_the_end() -> None:
        os.read(pipe, 1)
        shutil.rmtree(directory, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=wait_for_the_end, daemon=True).start()


def _campaign(directory: Path, request: Request) -> Answer:
    journal = Journal(directory / JOURNAL, request.clients, request.operations)
    journal.phase = Phase.LOADING
    factory = request.source.load()
    journal.phase = Phase.PROBING
    probed = probe(
        factory,
        request.source.name,
        request.ops,
        request.atomic,
        _trying(journal),
        yielding_keys=request.yielding_keys,
    )
    write_description(directory, _description(probed))
    return _Campaign(request, factory, probed, journal, directory / HISTORY).run()


def _trying(journal: Journal) -> Any:
    """Writes each call of the probing as the only one of client 0."""

    def trying(step: Step) -> None:
        journal.plan([(step,)])
        journal.pen(0).begin(threading.get_ident())
        journal.pen(0).calls[0] = now()

    return trying


def _description(probed: Probed) -> Description:
    adapter = probed.adapter
    return Description(
        build=_build(),
        style=adapter.style,
        forms={op: tuple(form.text for form in forms) for op, forms in adapter.forms.items()},
        left_out=adapter.left_out,
        contracts={op: str(probed.claims.of(op)) for op in WHOLE_MAP if op in adapter.forms},
        text_keys=isinstance(probed.keys[0], str),
        inside=bool(probed.files),
    )


def _build() -> str:
    """Which Python, and whether its threads run at the same time."""
    name = f"{platform.python_implementation()} {platform.python_version()}"
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    if not enabled:
        return f"{name} without a GIL"
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return f"{name} with a GIL{', switched on in a free-threaded build' if free_threaded else ''}"


class _Campaign:
    """Rounds until one fails or the budget is used up."""

    def __init__(
        self, request: Request, factory: Any, probed: Probed, journal: Journal, history: Path
    ) -> None:
        self._request = request
        self._factory = factory
        self._probed = probed
        self._journal = journal
        self._history = history
        self._undecided = 0

    def run(self) -> Answer:
        deadline = now() + int(self._request.budget * 1e9)
        sys.setswitchinterval(SWITCH_INTERVAL)
        while now() < deadline:
            try:
                failed = self._round(deadline)
            except RuntimeError as error:
                if "start new thread" not in str(error):
                    raise
                return Answer(self._undecided, trouble=f"{self._request.clients} threads: {error}")
            if failed is not None:
                return Answer(self._undecided, failed)
        self._journal.phase = Phase.ENDED
        return Answer(self._undecided)

    def _round(self, deadline: int) -> Failed | None:
        journal = self._journal
        seed = f"{self._request.seed}/{journal.rounds}"
        random = Random(seed)
        keys, pace = random.choice(KEYS), random.choice(list(Pace))
        forms = in_this_round(self._probed.adapter.forms, random)
        programs = draw(
            forms,
            clients=self._request.clients,
            operations=self._request.operations,
            keys=keys,
            pace=pace,
            random=random,
        )
        journal.plan(())
        journal.phase = Phase.MAKING
        try:
            target = self._factory()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the map's
            History(()).write(self._history)
            return Failed(Fault.EXCEPTION, f"making one raised {type(error).__name__}: {error}")
        watchers = observers(forms, keys)
        one = Round(target, self._probed.adapter, self._probed.keys, programs, journal, watchers)
        journal.phase = Phase.RUNNING
        with self._disturbed(pace) as join:
            one.run_threads(deadline, lambda client: join(Random(f"{seed}/{client}")))
        journal.phase = Phase.OBSERVING
        if not one.raised:
            one.observe()
        return self._judged(target, one)

    def _disturbed(self, pace: Pace) -> AbstractContextManager[Join]:
        if pace in (Pace.LINES, Pace.INSTRUCTIONS):
            return yields(self._probed.files, pace is Pace.INSTRUCTIONS)
        return nullcontext(lambda random: None)

    def _judged(self, target: Any, one: Round) -> Failed | None:
        """What is wrong, the plainest first; the history is written if anything is."""
        journal = self._journal
        failed = self._raised(one) or self._answered(one)
        if failed is None:
            journal.phase = Phase.INVARIANTS
            failed = _broken_invariant(target)
        journal.phase = Phase.JUDGING
        history = History(since_the_first_call(one.history().operations))
        failed = failed or self._explained(history)
        journal.rounds += 1
        journal.operations += len(history)
        if failed is not None:
            history.write(self._history)
        return failed

    def _raised(self, one: Round) -> Failed | None:
        if not one.raised:
            return None
        first = min(one.raised, key=lambda raised: raised.time)
        error = first.error
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        summary = f"client {first.client}: {self._spelled(first)} raised {text}"
        return Failed(Fault.EXCEPTION, summary, tuple(own_frames(error)))

    def _spelled(self, raised: Raised) -> str:
        step = raised.step
        key = self._probed.keys[step.key] if SIGNATURES[step.op].keyed else None
        return self._probed.adapter.render(step.op, key, step.args, step.form)

    def _answered(self, one: Round) -> Failed | None:
        impossible = one.impossible_answers()
        if not impossible:
            return None
        first = impossible[0]
        expected = SIGNATURES[first.op].result.value
        return Failed(Fault.ANSWER, f"client {first.client}: {first}; {first.op} answers {expected}")

    def _explained(self, history: History) -> Failed | None:
        answer = check(
            history,
            self._probed.claims,
            max_configurations=MOST_CONFIGURATIONS,
            limit_seconds=self._request.judging,
        )
        match answer:
            case Violation(core=core, explanation=explanation):
                return Failed(Fault.VIOLATION, explanation, (f"the core, {TIMES}:", *table(core)))
            case Unknown():
                self._undecided += 1
        return None


def _broken_invariant(target: Any) -> Failed | None:
    invariants = getattr(target, "check_invariants", None)
    if not callable(invariants):
        return None
    try:
        invariants()
    except AssertionError as broken:
        return Failed(Fault.INVARIANT, f"check_invariants: {broken}")
    except Exception as error:  # noqa: BLE001 - it is the map's
        return Failed(Fault.INVARIANT, f"check_invariants raised {type(error).__name__}: {error}")
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
