"""Self-contained documents from tables and counts: no scripts, no pictures, nothing to fetch."""
