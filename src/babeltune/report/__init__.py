"""ROOM 5: numbers in, pictures out; computes no score."""
