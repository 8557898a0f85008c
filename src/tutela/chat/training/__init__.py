"""Training and evaluation on a corpus that the operator brings and may use.

Nothing of a corpus comes with Tutela, and nothing of its words is in a model. See
docs/explanation/chat-validity.md for what the figures mean, and what they do not.
"""
