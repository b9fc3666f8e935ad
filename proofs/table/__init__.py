"""Everything that this room shows, as named jobs: listed, run in processes, and put in words.

The idea: nothing is shown by being forgotten. `jobs.statements` goes over the lists of systems, of statements about
hashes and of contracts; `processes` runs what it lists, `summary` says how it went, `explaining` all about one of them.
"""
