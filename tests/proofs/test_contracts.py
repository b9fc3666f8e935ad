"""The contracts are confirmed and notice wrong code; CrossHair gives up, and is not believed, where it should be.

`soak_contracts.py` has the other wrong lines, and what else CrossHair does not see.
"""

import pytest

pytest.importorskip("crosshair")

from seeded_bugs import BUGS, UNSEEN, contract_of

from mapproof.proofs.contracts import CONTRACTS, Contract, confirm, search
from mapproof.proofs.contracts.search import read_report
from mapproof.spec.evidence import Verdict


def contract_on(tmp_path, body):
    path = tmp_path / "routine.py"
    path.write_text(body)
    return Contract("", "", str(path), body.count("post:"), "")


QUICK = {"threshold", "promotion", "copy_of_read", "unexpunging", "rehash", "finding", "write"}
"""The others are confirmed by `mapproof prove` and by the soak."""


@pytest.mark.parametrize(
    "contract",
    [contract for contract in CONTRACTS if contract.target.rpartition(".")[2] in QUICK],
    ids=lambda contract: contract.name,
)
def test_a_contract_is_confirmed(contract):
    found = confirm(contract, timeout=20)
    assert found.verdict is Verdict.CONFIRMED
    assert found.text.endswith(", all paths")
    assert found.scope == contract.scope


OF_EACH_KIND = (
    "a promotion loses the new keys of dirty",
    "the copy takes deleted entries along",
    "the children are 2s and 2s + 1",
    "a batch skips its last bin",
)


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.name in OF_EACH_KIND], ids=lambda bug: bug.name)
def test_wrong_code_is_noticed(bug):
    found = confirm(contract_of(bug), timeout=20, before=bug.before)
    assert found.verdict is Verdict.REFUTED
    assert f"{bug.contract}(" in found.text


def test_every_contract_has_a_line_that_breaks_it():
    assert {contract_of(bug).name for bug in BUGS} == {contract.name for contract in CONTRACTS}


def test_a_line_that_is_not_there_is_not_noticed_by_mistake():
    gone = BUGS[0].before.replace("misses >= dirty_len", "no such line")
    assert confirm(contract_of(BUGS[0]), timeout=5, before=gone).verdict is Verdict.UNDECIDED


def test_two_threads_are_not_seen(tmp_path):
    """Why a confirmation says "one thread"."""
    assert confirm(contract_on(tmp_path, UNSEEN["two threads"]), timeout=30).verdict is Verdict.CONFIRMED


def test_a_search_that_does_not_finish_is_undecided(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "STARTING", 200.0)  # it says so itself, however slow the machine is
    endless = contract_on(
        tmp_path,
        '''
def total(values: list[int]) -> int:
    """
    post: __return__ == sum(values)
    """
    result = 0
    for value in values:
        result += value
    return result
''',
    )
    found = confirm(endless, timeout=2)
    assert found.verdict is Verdict.UNDECIDED
    assert found.text == "not refuted in 2 s"


def test_a_process_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "STARTING", 2.0)
    hanging = contract_on(tmp_path, "while True: pass  # post:")
    found = confirm(hanging, timeout=1)
    assert (found.verdict, found.text) == (Verdict.UNDECIDED, "CrossHair did not stop in time")


def test_a_condition_that_nothing_meets_is_a_failure(tmp_path):
    vacuous = contract_on(
        tmp_path,
        '''
def nothing(value: int) -> int:
    """
    pre: value < 0
    pre: value > 0
    post: __return__ == 77
    """
    return value
''',
    )
    assert confirm(vacuous, timeout=30).verdict is Verdict.FAILED


def test_no_condition_is_no_confirmation(tmp_path):
    found = confirm(contract_on(tmp_path, "def f(x: int) -> int:\n    return x\n"), timeout=30)
    assert found.verdict is Verdict.UNDECIDED
    missing = Contract("", "", "no.such.module", 1, "")
    assert confirm(missing, timeout=5).verdict is Verdict.UNDECIDED


def test_one_unconfirmed_condition_spoils_the_whole():
    two = Contract("", "", "f", 2, "")
    both = "f.py:3: info: Confirmed over all paths.\nf.py:4: info: Confirmed over all paths.\n"
    one = "f.py:3: info: Confirmed over all paths.\nf.py:4: info: Not confirmed.\n"
    assert read_report(two, 0, both, "", 5).verdict is Verdict.CONFIRMED
    assert read_report(two, 0, one, "", 5).verdict is Verdict.UNDECIDED
    assert read_report(two, 0, both.splitlines()[0], "", 5).verdict is Verdict.UNDECIDED
    assert read_report(two, 2, both, "boom", 5).text == "CrossHair stopped with code 2: boom"
