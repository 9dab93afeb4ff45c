from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """A copy of the project that a file of tests has built."""
    root = tmp_path / "project"
    shutil.copytree(built, root, symlinks=True)
    return root
