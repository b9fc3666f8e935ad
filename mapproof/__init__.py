"""mapproof: is this concurrent map right, and how do we know?"""

__version__ = "0.1.0"
