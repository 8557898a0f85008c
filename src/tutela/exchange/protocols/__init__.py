"""Names and shapes of the protocols of the field that our servers and our clients share."""
