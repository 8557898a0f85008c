"""The API for programs: the wire protocols of the field, and our own under /v1."""
