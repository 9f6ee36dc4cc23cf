"""Training: the loop, a step, the data, and what a run leaves on the disk."""
