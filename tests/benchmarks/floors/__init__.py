"""What could at best be reached: the same work with nothing of ours around it."""
