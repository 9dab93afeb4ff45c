"""Runs one action: engines, images and the sandbox."""
