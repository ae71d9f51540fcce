"""Releases: what three image files are, whether they belong together, and into the draft."""
