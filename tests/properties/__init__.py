"""The laws of the reward calculation, over generated programs and baskets."""
