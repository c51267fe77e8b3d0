"""Single rules of the reward calculation, each by an example that a person can follow."""
