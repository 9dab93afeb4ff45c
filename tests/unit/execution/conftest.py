from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the network that `fake_engine.ACTION` reads."""
    source = tmp_path / "models" / "net" / "best.onnx"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"onnx")
    source.chmod(0o644)
    return tmp_path
