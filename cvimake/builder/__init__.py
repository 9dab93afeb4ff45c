"""Builds: doit's tasks, records, the store, and what a build shows."""
