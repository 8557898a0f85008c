"""The command line: parses, calls and prints; it decides nothing."""
