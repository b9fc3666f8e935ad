"""Shared by the tests of the proofs: without the proofs extra there is nothing here to test.

It also lets the tests of this room import its agreement and its sample system by name.
"""

import sys
from pathlib import Path

import pytest

pytest.importorskip("z3")
sys.path.insert(0, str(Path(__file__).parent))
