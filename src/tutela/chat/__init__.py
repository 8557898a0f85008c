"""Conversations: read from exports, ordered by signs of risk, with the lines that say why.

Scores order work and never conclude; a person reads and decides. See docs/explanation/chat.md.
"""
