"""The networks: what they are, and the files that hold their weights."""
