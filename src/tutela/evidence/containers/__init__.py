"""Implementations of the role in `tutela.evidence.container`, one file each."""
