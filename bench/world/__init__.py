"""A generated world of hidden sites with planted truth; it knows nothing of any ranker."""
