"""Trace validation: what binds a proof to the code that it is about.

The idea: a proof speaks of a transition system, and a drawing of an algorithm may differ from it. So the code itself is
run under a scheduler, and every access of shared memory that it makes is replayed in the very system that was
proved: state, place of each thread and answers included. A step that the system does not allow is a failure.

`binding` is the vocabulary, `sync_map` and `sharded_map` tie the two maps to their systems, `validator` follows a
run. Who drives the map is nobody's business here: `mapproof.validation` lets the explorer do it.
"""
