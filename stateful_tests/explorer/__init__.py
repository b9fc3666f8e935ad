"""Runs simulated threads one step at a time, in an order that a strategy chooses and that can be replayed.

`simulation` is the scheduler; `strategy` the question it asks, with one answerer a file (`random_walk`, `pct`,
`preemption_bound`, `replay`); `opcode_events` makes anybody's unmodified Python stop between instructions and
`cooperative_threading` makes its locks block a simulated thread instead of the process.
"""
