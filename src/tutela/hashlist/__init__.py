"""Hash lists: reading and writing their formats, keeping their entries, finding a content in them.

A `Library` is one folder with one index over several lists. Foreign files are parsed in a confined
process; what cannot be read is quarantined row by row, and nothing is half-imported.
"""
