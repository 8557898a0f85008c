"""Deletions: which keys and lists no longer match, until their rows are rewritten away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutela.match.hits import Dead, nothing_dead
from tutela.match.manifest import Manifest
from tutela.match.segment import Segment


def read_dead(manifest: Manifest, deleted: Segment | None) -> Dead:
    """Return what a manifest says is deleted, in the form that kernels take."""
    lists = np.array(manifest.deleted_lists, np.uint64)
    if deleted is None:
        return nothing_dead()._replace(lists=lists)
    # Copied: few, read at random by every hit, and then of one type with the empty ones.
    return Dead(deleted.arrays["keys"].copy(), deleted.arrays["sequences"].copy(), lists)


def open_dead(folder: Path, manifest: Manifest) -> Dead:
    """Return what the present generation of an index says is deleted."""
    return read_dead(manifest, Segment(folder, manifest.deleted) if manifest.deleted else None)


def with_keys(dead: Dead, keys: NDArray[np.uint64], sequence: int) -> Dead:
    """Return `dead` with more keys; the later of two deletions of a key includes the earlier."""
    both = np.concatenate((keys, dead.keys))  # first the new: np.unique keeps the first of equals
    unique, first = np.unique(both, return_index=True)
    sequences = np.concatenate((np.full(len(keys), sequence, np.int64), dead.sequences))
    return dead._replace(keys=unique, sequences=sequences[first])


def with_list(dead: Dead, number: int) -> Dead:
    """Return `dead` with one more list."""
    return dead._replace(lists=np.append(dead.lists, np.uint64(number)))
