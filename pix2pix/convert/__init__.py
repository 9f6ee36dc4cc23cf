"""Folders of sketches to folders of photos."""
