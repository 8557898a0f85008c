"""The matching service as platforms meet it: look-ups a second, how long one waits, a new list.

A real `tutela serve --api` answers a load generator in a process of its own, on loopback. Half of
the codes asked about are near a listed one, which no platform has; so every request is full of
matches that must be described, the costly case.
"""

from __future__ import annotations
