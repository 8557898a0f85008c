"""Actors: which accounts matter most, which may be one person's, and why; a person decides."""
