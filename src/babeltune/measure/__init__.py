"""ROOM 4: items and outputs in, scores with intervals out."""
