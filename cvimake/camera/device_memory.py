"""The camera's memory for models."""

from __future__ import annotations

# MiB of the pool that the camera's system reserves (ION), in its images for the built-in storage. The image
# for an SD card has 75. The pool also holds the camera's pictures, so a model cannot have all of it.
ION_POOL = 50
