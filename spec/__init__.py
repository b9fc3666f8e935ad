"""What a concurrent map must do, and whether a recorded history did it.

Start with `operations` (the names), `model` (the sequential meaning), `history` (what was recorded) and
`linearizability` (the decision). This room imports nothing else of mapproof.
"""
