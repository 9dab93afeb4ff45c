from __future__ import annotations

from collections.abc import Iterator

import pytest
from file_server import FileServer, serving


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        yield server
