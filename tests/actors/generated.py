"""Which worlds the tests look at."""

SEEDS = (501, 502, 503)
