"""What can be wrong with a study beside its spelling, part by part; ``check`` asks for all of it at once."""
