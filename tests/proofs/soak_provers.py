"""What takes too long for every day: `pytest tests/proofs/soak_provers.py` (about 5 minutes on two processors).

Everything that is listed is shown, by both provers, twice with one table; and each invariant is worth its place.
"""

import pytest

from mapproof.proofs.solving.cores import needed
from mapproof.proofs.systems import chapters
from mapproof.proofs.table.checks import Options
from mapproof.proofs.table.jobs import statements
from mapproof.proofs.table.processes import run_all
from mapproof.spec.evidence import COUNTEREXAMPLES, NO_VERDICT

pytestmark = pytest.mark.timeout(900)


def table(options):
    found = run_all(statements(options), options, timeout=120, progress=lambda text: None)
    by_name = {one.evidence.name: one for one in found}
    return [
        (
            job.name,
            by_name[job.name].evidence.verdict,
            by_name[job.name].evidence.scope,
            by_name[job.name].details,
        )
        for job in statements(options)
    ]


def test_everything_is_shown_by_both_provers():
    bad = [row for row in table(Options(second_prover=True)) if row[1] in COUNTEREXAMPLES | NO_VERDICT]
    assert not bad


def test_two_runs_say_the_same():
    assert table(Options()) == table(Options())


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.system.name)
def test_each_invariant_is_worth_its_place(chapter):
    found = needed(chapter.system, chapter.mutants, timeout=400)
    assert [need.invariant for need in found if not need.needed] == []
