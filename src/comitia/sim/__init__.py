"""One seed, one run."""
