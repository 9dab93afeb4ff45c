from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import Lab

from cvimake.core.errors import EngineError
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.sandbox import Sandbox

# A test run in the background inherits an ignored Ctrl-C, one under nohup an ignored SIGHUP, and so would the
# builds that it interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    """The engine of this machine. These tests are worth nothing without one, so none is a failure."""
    try:
        client = connection.find(os.environ)
    except EngineError as error:
        pytest.fail(f"the integration tests need a Docker engine: {error}")
    with contextlib.closing(client):
        yield DockerEngine(client, os.environ)


@pytest.fixture(scope="session")
def toolchain_image(engine: DockerEngine) -> ToolchainImage:
    found = making.find(engine.client, Recipe.from_environment(os.environ))
    if found is None:
        pytest.fail("the toolchain image is not there: run ./doit image")
    return found


@pytest.fixture(scope="session")
def new_lab(engine: DockerEngine, toolchain_image: ToolchainImage) -> Callable[[Path], Lab]:
    return lambda root: Lab(Sandbox(root=root, engine=engine, image=toolchain_image.id))


@pytest.fixture
def lab(new_lab: Callable[[Path], Lab], tmp_path: Path) -> Lab:
    return new_lab(tmp_path)
