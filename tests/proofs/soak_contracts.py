"""Every contract, every seeded bug, and the false contracts that CrossHair confirms: `python tests/proofs/soak_contracts.py`.

Exits 1 when a contract is not confirmed or does not notice its bug, or when one of the false contracts is no longer confirmed, so that what
is told of CrossHair's limits (`proofs/contracts/search.py`) stays true.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from seeded_bugs import BUGS, UNSEEN, contract_of

from mapproof.proofs.contracts import CONTRACTS, Contract, confirm
from mapproof.spec.evidence import Verdict


def main() -> int:
    """Run them, a line each; 1 when something came out otherwise."""
    wrong = 0
    for contract in CONTRACTS:
        before, found = _seconds(), confirm(contract, timeout=20)
        wrong += found.verdict is not Verdict.CONFIRMED
        print(f"{_seconds() - before:5.1f} s  {found.verdict:9}  {contract.name}")
    for bug in BUGS:
        before, found = _seconds(), confirm(contract_of(bug), timeout=20, before=bug.before)
        ok = found.verdict is Verdict.REFUTED
        wrong += not ok
        print(
            f"{_seconds() - before:5.1f} s  {'noticed' if ok else found.verdict:9}  {bug.contract}: {bug.name}"
        )
    with tempfile.TemporaryDirectory() as folder:
        for title, body in UNSEEN.items():
            path = Path(folder, "unseen.py")
            path.write_text(body)
            found = confirm(Contract("", "", str(path), body.count("post:"), ""), timeout=10)
            ok = found.verdict is Verdict.CONFIRMED
            wrong += not ok
            print(f"{'unseen' if ok else found.verdict:>18}  {title}")
    print(
        f"{len(CONTRACTS)} contracts, {len(BUGS)} bugs, {len(UNSEEN)} false contracts: "
        f"{wrong} otherwise than expected, {_seconds():.0f} s"
    )
    return 1 if wrong else 0


def _seconds() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
