"""Paths of a project that several rooms use, relative to the project."""

from __future__ import annotations

from pathlib import Path

BUILD = Path("build")
# The toolchain's fingerprint. Every stage reads it: another toolchain makes every result stale.
TOOLCHAIN = BUILD / "toolchain.json"
# The fingerprint of the image with PyTorch and TensorFlow, for networks of Caffe, TorchScript and TFLite.
FRAMEWORKS = BUILD / "frameworks.json"
FINGERPRINTS = (TOOLCHAIN, FRAMEWORKS)
