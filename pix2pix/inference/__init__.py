"""Sketches in, photos out: a loaded bundle, and what computes it."""
