"""The contracts are confirmed; and CrossHair refutes, gives up, and finds nothing to look at where it should."""

import pytest

pytest.importorskip("crosshair")

from mapproof.proofs import contracts
from mapproof.proofs.contracts import CONTRACTS, Contract, confirm, read_report
from mapproof.spec.evidence import Verdict


def contract_on(tmp_path, body):
    path = tmp_path / "routine.py"
    path.write_text(body)
    return Contract("", "", str(path), body.count("post:"), "")


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_a_contract_is_confirmed(contract):
    found = confirm(contract, timeout=20)
    assert found.verdict is Verdict.CONFIRMED
    assert found.detail == "2 conditions, all paths"


def test_a_late_promotion_is_refuted(tmp_path):
    wrong = contract_on(
        tmp_path,
        '''
def promotion(misses: int, dirty_len: int) -> bool:
    """
    pre: 1 <= misses <= dirty_len + 1
    post: __return__ or misses < dirty_len
    """
    return misses > dirty_len
''',
    )
    found = confirm(wrong, timeout=20)
    assert found.verdict is Verdict.REFUTED
    assert "promotion(" in found.detail


def test_the_doubled_numbering_is_refuted(tmp_path):
    wrong = contract_on(
        tmp_path,
        '''
from mapproof.impl.hashing import shard_of

def rehash(hash_value: int, bits: int) -> int:
    """
    pre: 0 <= hash_value < 2**64
    pre: 1 <= bits <= 6
    post: __return__ in (2 * shard_of(hash_value, 1 << bits), 2 * shard_of(hash_value, 1 << bits) + 1)
    """
    return shard_of(hash_value, 2 << bits)
''',
    )
    assert confirm(wrong, timeout=20).verdict is Verdict.REFUTED


def test_a_search_that_does_not_finish_is_undecided(tmp_path, monkeypatch):
    monkeypatch.setattr(contracts, "STARTING", 200.0)  # it says so itself, however slow the machine is
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
    assert found.detail == "not refuted in 2 s"


def test_a_process_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(contracts, "STARTING", 2.0)
    hanging = contract_on(tmp_path, "while True: pass  # post:")
    found = confirm(hanging, timeout=1)
    assert (found.verdict, found.detail) == (Verdict.UNDECIDED, "CrossHair did not stop in time")


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
    assert confirm(vacuous, timeout=5).verdict is Verdict.FAILED


def test_no_condition_is_no_confirmation(tmp_path):
    found = confirm(contract_on(tmp_path, "def f(x: int) -> int:\n    return x\n"), timeout=5)
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
    assert read_report(two, 2, both, "boom", 5).detail == "CrossHair stopped with code 2: boom"
