"""The report of a run: diagnosis, curves and pictures."""
