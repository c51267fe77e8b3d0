"""The slow, obviously right calculator that the fast one is held against."""
