"""ROOM 2: a mix and a base model in, an adapter out."""
