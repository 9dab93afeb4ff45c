"""The toolchain still fails as the kept logs say: some of the known failures, caused anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from failures import FAILURES, RecordingEngine, fail

from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image.making import ToolchainImage
from cvimake.toolchain.diagnose import diagnose


@pytest.mark.parametrize(
    "name", ["unknown-output", "mod", "text-for-image", "npz-of-others", "time-limit", "damaged-image"]
)
def test_a_known_failure_happens_as_it_did(
    name: str, tmp_path: Path, engine: DockerEngine, toolchain_image: ToolchainImage
) -> None:
    failure = FAILURES[name]
    failed = fail(failure, tmp_path, RecordingEngine(engine.client, os.environ), toolchain_image.id)
    found = diagnose(failed.ending, "\n".join(failed.lines), failed.limits)
    assert found is not None
    assert found.id == failure.id
    assert found.cause in str(failed.error)
    assert failed.error.id == failure.id
