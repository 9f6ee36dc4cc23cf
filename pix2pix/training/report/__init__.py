"""The page about a run: diagnosis, curves and pictures."""
