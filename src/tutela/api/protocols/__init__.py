"""How entries and feedback are written in each protocol of the field; no database, no HTTP."""
