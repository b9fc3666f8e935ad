"""Drives any map through generated scenarios and chosen interleavings, and shrinks what goes wrong.

Start with `conformance.check_map`; `scenarios` says what is run, `explorer` in which order, `execution` what
came of it, `shrink` and `trace` how a failure becomes small and readable.
"""
