"""The conductor: the only room that knows all the others."""
