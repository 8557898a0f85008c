"""The pipeline from evidence to rows.

`pipeline` (trusted, one process) walks, hands out work and keeps the `journal`; `worker` (confined,
one process a core) reads, digests, opens containers and fingerprints; `wire` is what they say to
each other; `matching` asks the hash lists; `rows`, `page` and `summary` are what comes out.
"""
