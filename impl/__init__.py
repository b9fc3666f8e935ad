"""The reference maps, written once on the primitives of `sync`, for real threads and for simulated ones.

Start with `sync` (all shared state goes through it), then `rwmutex_map` (the obvious map: one lock around a
dictionary) and `sync_map` (Go's sync.Map up to 1.23). This room imports `mapproof.spec` and nothing else of ours.
"""
