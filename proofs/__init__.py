"""Proofs about the algorithms: `for job in statements(): print(run(job))`.

`statements()` lists what is shown, with `second_prover=True` also that cvc5 agrees; `run(job, timeout)` shows
one of it and answers with an `Evidence`, `processes.run_all` all of it in two processes. PROVED holds for all keys and threads (or all hashes), as its scope
says; CONFIRMED is CrossHair's word for having been down all paths of a function; UNDECIDED is no pass. No
prover is imported before a job runs; without the extra, `run` raises `ExtraMissing`: one line with the command
that installs it.

A system of one's own: the words of `language`, then `obligations.prove`, or `mapproof prove --system FILE.py`.
"""

from __future__ import annotations

from mapproof.proofs.jobs import ExtraMissing, Job, run, statements

__all__ = ["ExtraMissing", "Job", "run", "statements"]
