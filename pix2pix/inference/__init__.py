"""Inference: a loaded bundle, its engines, and export."""
