"""Publishing: a TUF repository of encrypted lists that any static host can serve."""
