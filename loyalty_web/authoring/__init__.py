"""What the authors of reward programs read: programs in words, quotes explained, and one program beside another."""
