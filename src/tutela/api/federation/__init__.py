"""What partner nodes ask of this one, on a listener of its own; they are known by their keys."""
