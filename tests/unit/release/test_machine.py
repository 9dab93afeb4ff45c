from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cvimake.core.system import WITHOUT_AVX2
from cvimake.execution.engine.local import LocalEngine
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.runtime import Runtime
from cvimake.execution.sandbox import Sandbox
from cvimake.release.machine import described

CPU = "Linux 6.1 x86_64\nprocessor\t: 0\nmodel name\t: A Processor\nflags\t\t: fpu {}sse\nprocessor\t: 1\n"


def runtimes(engine: Any) -> dict[str, Runtime]:  # noqa: ANN401 - any engine
    image = ToolchainImage(id="sha256:abc", base="a base", identity={})
    return {"toolchain": Runtime(image, Sandbox(root=Path("/project"), engine=engine, image=image.id))}


@pytest.fixture
def local(tmp_path: Path) -> LocalEngine:
    return LocalEngine(tmp_path, os.environ)


def test_a_machine_is_described(local: LocalEngine) -> None:
    record = described(CPU.format("avx2 "), runtimes(local)).record
    assert record == {
        "kernel": "Linux 6.1 x86_64", "processor": "A Processor", "cores": 2, "engine": {"kind": "local"},
        "images": {"toolchain": "sha256:abc"}, "base": "a base",
    }  # fmt: skip


def test_differences_without_containers_are_listed(local: LocalEngine) -> None:
    local.clock = None
    without, paths, clock = (
        described(CPU.format(""), runtimes(local)).not_held[-1],
        *described(CPU.format("avx2 "), runtimes(local)).not_held,
    )
    assert without == WITHOUT_AVX2
    assert "host name" in paths
    assert "libfaketime is not installed" in clock


def test_a_container_holds_everything_but_the_processor() -> None:
    assert described(CPU.format("avx2 "), runtimes(object())).not_held == ()
    assert described(CPU.format("avx2x "), runtimes(object())).not_held == (WITHOUT_AVX2,)
