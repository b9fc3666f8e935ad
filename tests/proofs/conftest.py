"""Shared by the tests of the proofs: without the proofs extra there is nothing here to test."""

import pytest

pytest.importorskip("z3")
