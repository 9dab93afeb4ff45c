"""Paths of a project that several rooms use, relative to the project."""

from __future__ import annotations

from pathlib import Path

BUILD = Path("build")
# The toolchain's fingerprint. Every stage reads it: another toolchain makes every result stale.
TOOLCHAIN = BUILD / "toolchain.json"
# The fingerprint of the image with PyTorch and TensorFlow, for networks of Caffe, TorchScript and TFLite.
FRAMEWORKS = BUILD / "frameworks.json"
# The fingerprint of the image with Ultralytics' exporter, for its checkpoints.
EXPORT = BUILD / "export.json"
FINGERPRINTS = (TOOLCHAIN, FRAMEWORKS, EXPORT)


def exported(model: str) -> Path:
    """Return where the network of a checkpoint is exported to."""
    return BUILD / model / f"{model}_export.onnx"
