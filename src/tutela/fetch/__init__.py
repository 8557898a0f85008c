"""Bounded HTTP: what is fetched from elsewhere has a size, a time and a peer that is known.

`http` asks servers that we chose; `stream`, `way` and `tor` ask sites that nobody vouches for.
"""
