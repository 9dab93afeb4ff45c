"""Choose the test image of a new model: the image of a dataset in which the float network finds most."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cvimake.camera.camera_picture import PAD_VALUE
from cvimake.cli import surroundings
from cvimake.core import announce
from cvimake.core.action import Action, FileKind, Folder, Input, Limits, Output, Text
from cvimake.core.errors import CvimakeError
from cvimake.execution.engine.choice import LOCAL, chosen
from cvimake.execution.sandbox import Sandbox
from cvimake.project.networks.examine import Examined
from cvimake.project.networks.findings import Findings

# This many images are tried, evenly spread over the dataset.
MOST_TRIED = 16
_SECONDS = 300.0
_SAMPLES = "/samples"


def choose(examined: Examined, images: Mapping[str, Path], root: Path) -> tuple[str, str]:
    """Return the image in which a network finds most.

    Nobody has checked the network, so it runs in a container. No toolchain image is made for that.

    Args:
        examined: the network.
        images: the images to choose from, by name.
        root: the project.

    Returns:
        The image's name, and a text that says how it was chosen. If the network cannot run, it is the first.
    """
    first = next(iter(images))
    if examined.findings is None:
        return first, "the dataset's first: how images become inputs of this network is not known yet"
    if len(images) == 1:
        return first, "the dataset's only one"
    tried = list(images)[:: -(-len(images) // MOST_TRIED)]
    try:
        name = _run(examined, examined.findings, {name: images[name] for name in tried}, root)
    except CvimakeError as error:
        return first, f"the dataset's first, and another one may show more: {error.cause}"
    return name, f"the one of {len(tried)} in which the float network finds most"


def _run(examined: Examined, found: Findings, images: Mapping[str, Path], root: Path) -> str:
    from cvimake.core.resources import container_program  # noqa: PLC0415 - the same
    from cvimake.pipeline.stages.onnx import EXTERNAL  # noqa: PLC0415 - the same
    from cvimake.toolchain import commands  # noqa: PLC0415 - only a network that is run needs it

    how, image = found.preprocessing, found.image
    # The user's file names can hold anything, so the container gets numbers.
    names = {f"{number}{path.suffix.lower()}": name for number, (name, path) in enumerate(images.items())}
    wanted = {
        "samples": list(names),
        "size": [image.height, image.width],
        "channels_last": image.channels_last,
        "pixel_format": how.pixel_format,
        "mean": how.mean,
        "scale": how.scale,
        "pad_value": PAD_VALUE,
        "shapes": [list(image.shape)],
        "outputs": list(found.outputs),
    }
    weights = {name: examined.path.parent / name for name in examined.external}
    with tempfile.TemporaryDirectory(prefix="cvimake-") as folder:
        result = Path(folder) / "chosen.json"
        action = Action(
            name="init:test_image",
            argv=(*commands.DETERMINISTIC, "python3", "choose_image.py", "wanted.json", result.name),
            environment=commands.environment(),
            inputs=(
                Input(name="source.onnx", path=examined.path.resolve()),
                Input(name="choose_image.py", path=container_program("choose_image")),
            ),
            texts=(Text(name="wanted.json", text=json.dumps(wanted)),),
            outputs=(Output(name=result.name, path=result, kind=FileKind.JSON),),
            folders=(
                commands.ONNX_PROGRAM,
                Folder(target=_SAMPLES, files={name: images[own] for name, own in names.items()}),
                *([Folder(target=EXTERNAL, files=weights)] if weights else ()),
            ),
            limits=Limits(seconds=_SECONDS),
        )
        sandbox = _sandbox(root)
        with announce.step(f"looking for the image of {len(names)} in which the network finds most"):
            sandbox.run(action)
        return names[json.loads(result.read_text(encoding="utf-8"))["chosen"]]


def _sandbox(root: Path) -> Sandbox:
    """Return a sandbox of the toolchain image.

    Raises:
        CvimakeError: no engine answers, or the image is not there yet.
    """
    from cvimake.execution.engine import connection  # noqa: PLC0415 - the same
    from cvimake.execution.engine.docker import DockerEngine  # noqa: PLC0415 - the same
    from cvimake.execution.image import making  # noqa: PLC0415 - only a network that is run needs it
    from cvimake.execution.image.recipe import Recipe  # noqa: PLC0415 - the same

    variables = surroundings.variables()
    if chosen(variables) == LOCAL:
        raise CvimakeError("a network is only tried in a container, and no engine is there")
    client = connection.find(variables)
    found = making.find(client, Recipe.from_environment(variables))
    if found is None:
        raise CvimakeError(
            "the toolchain image is not built yet; after `./doit image`, init can try every image"
        )
    return Sandbox(root=root, engine=DockerEngine(client, variables), image=found.id)
