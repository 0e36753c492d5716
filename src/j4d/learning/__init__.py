"""Learning a profile by gradient descent."""
