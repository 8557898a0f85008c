"""Tutela: find known child sexual abuse material, and share fingerprints instead of pictures."""
