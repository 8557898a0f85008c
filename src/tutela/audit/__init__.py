"""The audit log: an RFC 6962 Merkle tree of events in the same transaction as what they tell.

`log` appends, and `actions` names what it may say; `merkle` is the tree; `checkpoint` signs its
head as a `note`; `verify` holds the whole log against it and against checkpoints kept elsewhere, by
the `walk` over what `reading` gives; `proof` proves single events to others, `witness` signs their
logs, `tiles` writes the log for their tools, and `find` shows events to people.
"""
