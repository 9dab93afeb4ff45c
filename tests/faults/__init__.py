"""Disturbs real builds in every way that there is, and holds what comes of it against undisturbed ones."""
