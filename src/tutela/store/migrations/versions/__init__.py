"""One module a step, found by Alembic; each names the step before it."""
