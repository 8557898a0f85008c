"""Bounded HTTP: what is fetched from elsewhere has a size, a time and a peer that is known."""
