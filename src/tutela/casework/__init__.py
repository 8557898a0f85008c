"""Cases, grading by several organisations, agreement, similar stacks, exchange of cases."""
