"""Raters: which answers people are to rate, what they gave, and how far two sides agree."""
