"""Checks of a stage's inputs before a container starts."""
