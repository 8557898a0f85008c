"""The audit log: an RFC 6962 Merkle tree of events in the same transaction as what they tell.

`log` appends; `merkle` is the tree; `checkpoint` signs its head; `verify` holds the whole log
against it and against checkpoints kept elsewhere; `proof` proves single events to others.
"""
