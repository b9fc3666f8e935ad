"""Proofs about the algorithms: `for job in statements(): print(run(job))`.

    transition_system, terms, tree   how a system is written down; `language` has all the words in one import
    systems/                         the systems that are proved, each with its invariant and its mutants
    trace_validation/                what holds the code to them, access by access
    hashing/, contracts/             statements about hashes and shards; what CrossHair confirms of functions
    solving/, running/               a system as questions for solvers, and as Python that runs
    table/                           everything that is shown, as jobs

`statements()` lists what is shown, with `second_prover=True` also that cvc5 agrees; `run(job, timeout)` shows one of it
and answers with an `Evidence`, `table.processes.run_all` all of it in two processes. PROVED holds for all keys and
threads (or all hashes), as its scope says; CONFIRMED is CrossHair's word for having been down all paths of a function;
UNDECIDED is no pass. No prover is imported before a job runs; without the extra, `run` raises `ExtraMissing`: one line
with the command that installs it.
"""

from __future__ import annotations

from mapproof.proofs.table.jobs import ExtraMissing, Job, run, statements

__all__ = ["ExtraMissing", "Job", "run", "statements"]
