from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cvimake.errors import ImageError
from cvimake.image import ToolchainImage
from cvimake.runtime import Runtime
from cvimake.sandbox import Sandbox


@pytest.fixture
def runtime() -> Runtime:
    engine: Any = object()
    image = ToolchainImage(id="sha256:abc", base="a base", identity={"a": 1, "b": 2})
    return Runtime(image, Sandbox(root=Path("/project"), engine=engine, image=image.id))


def test_the_recorded_toolchain_is_accepted(runtime: Runtime) -> None:
    runtime.check({"b": 2, "a": 1})


def test_another_toolchain_is_refused_with_a_remedy(runtime: Runtime) -> None:
    with pytest.raises(ImageError, match="forget toolchain"):
        runtime.check({"a": 1, "b": 3})
