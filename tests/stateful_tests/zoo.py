"""The maps of tests/zoo, for the tests that hunt or acquit them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ZOO = Path(__file__).parents[1] / "zoo"


def zoo_map(kind: str, name: str) -> Any:
    """The public class of tests/zoo/KIND/NAME.py, from a module that stands alone."""
    module_name = f"specimen_{name}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, ZOO / kind / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    own = vars(sys.modules[module_name]).values()
    classes = [c for c in own if isinstance(c, type) and c.__module__ == module_name and c.__name__[0] != "_"]
    (found,) = classes
    return found
