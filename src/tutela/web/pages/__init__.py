"""Pages, one module a noun: each lists its handlers in `ROUTES`."""
