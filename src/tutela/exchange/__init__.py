"""Exchange: lists that are published, synced, matched against and answered for."""
