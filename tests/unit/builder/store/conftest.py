from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.builder.store import Store
from cvimake.builder.store.folder import FolderPlace


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(FolderPlace(tmp_path / "store"), "here")
