"""Bytes to digests and perceptual fingerprints: pure, no I/O beyond the bytes given."""
