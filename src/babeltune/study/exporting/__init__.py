"""Exporting: an adapter of a study as a folder that stands by itself."""
