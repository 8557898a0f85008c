"""Subscribing: lists that others publish, verified, decrypted and kept in the library."""
