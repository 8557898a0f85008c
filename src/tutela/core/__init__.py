"""Values that every room speaks: ids, times, errors, media, list entries, hits and settings."""
