from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvimake.core.action import Action, FileKind, Input, Limits, Output
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.recipe import FrameworksRecipe, Recipe
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain import commands

MAKE_NETWORKS = Path(__file__).with_name("make_networks.py")
NETWORKS = {
    "caffe": ("net.prototxt", "net.caffemodel"),
    "torch": ("net.pt", "two.pt", "checkpoint.pt"),
    "tflite": ("net.tflite", "quantised.tflite", "half.tflite", "block.tflite", "negative.tflite"),
}


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    with contextlib.closing(connection.find(os.environ)) as client:
        yield DockerEngine(client, os.environ)


@pytest.fixture(scope="session")
def toolchain_image(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> making.ToolchainImage:
    return making.ensure(
        engine, Recipe.from_environment(os.environ), tmp_path_factory.mktemp("image"), os.environ
    )


@pytest.fixture(scope="session")
def frameworks_image(
    engine: DockerEngine, toolchain_image: making.ToolchainImage, tmp_path_factory: pytest.TempPathFactory
) -> making.ToolchainImage:
    """Built where it is not there: minutes."""
    chosen = Recipe.from_environment(os.environ)
    recipe = FrameworksRecipe(base=chosen.base, wheel=chosen.wheel, toolchain=toolchain_image.fingerprint)
    return making.ensure(engine, recipe, tmp_path_factory.mktemp("image"), os.environ)


@pytest.fixture(scope="session")
def networks(
    engine: DockerEngine, frameworks_image: making.ToolchainImage, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder with the networks that the image itself makes."""
    folder = tmp_path_factory.mktemp("networks")
    sandbox = Sandbox(root=folder, engine=engine, image=frameworks_image.id)
    for framework, names in NETWORKS.items():
        sandbox.run(
            Action(
                name=f"networks:{framework}",
                argv=(*commands.DETERMINISTIC, "python3", MAKE_NETWORKS.name, framework),
                environment=commands.environment(),
                inputs=(Input(name=MAKE_NETWORKS.name, path=MAKE_NETWORKS),),
                outputs=tuple(Output(name=name, path=folder / name, kind=FileKind.TEXT) for name in names),
                limits=Limits(seconds=1800.0),
            )
        )
    return folder
