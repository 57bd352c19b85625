"""Tasks: one file is one benchmark, its items, its prompt and its score."""
