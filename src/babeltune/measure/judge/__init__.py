"""The judge: a model that grades how helpful an answer is, from 1 to 6; an engine asks, these are pure functions."""
