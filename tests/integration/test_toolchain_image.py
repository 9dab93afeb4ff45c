"""The toolchain image is what its fingerprint says, and nothing of its making stays behind."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from docker.models.images import Image

from cvimake.core import process
from cvimake.core.errors import ImageError
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import fingerprint, partial_images
from cvimake.execution.image.making import LABEL_IDENTITY, LABEL_RECIPE, ToolchainImage
from cvimake.execution.sandbox import Sandbox

# A line more in one file of the standard library, a byte more in the interpreter.
REPLACE = (
    "file=$(python3.10 -I -c 'import json.decoder; print(json.decoder.__file__)'); "
    'echo "# replaced" >>"$file"; printf x >>"$(readlink -f "$(command -v python3.10)")"'
)


@pytest.fixture
def replaced(engine: DockerEngine, toolchain_image: ToolchainImage) -> Iterator[str]:
    """The toolchain image with some files of its Python replaced, and its version as it was."""
    recipe = "\n".join(
        [
            f"FROM {toolchain_image.id}",
            f'LABEL {LABEL_RECIPE}="" {LABEL_IDENTITY}=""',
            "USER root",
            f"RUN {REPLACE}",
            # Another run of the tests on this engine makes another image, which it removes on its own.
            f"LABEL run={uuid.uuid4().hex}",
        ]
    )
    image, _ = engine.client.images.build(fileobj=io.BytesIO(recipe.encode()), rm=True, forcerm=True)
    yield str(image.id)
    engine.client.images.remove(str(image.id), force=True)


def test_a_base_whose_python_was_replaced_in_part_computes_with_something_else(
    engine: DockerEngine, toolchain_image: ToolchainImage, replaced: str, tmp_path: Path
) -> None:
    before = toolchain_image.identity
    sandbox = Sandbox(root=tmp_path, engine=engine, image=replaced)
    now = fingerprint.identify(sandbox).identity
    assert now["python"] == before["python"]
    changed = {part for part in before["files"] if now["files"][part] != before["files"][part]}
    assert changed == {"interpreter", "standard_library"}


def test_an_image_that_is_not_what_its_fingerprint_says_is_refused(
    engine: DockerEngine, toolchain_image: ToolchainImage, replaced: str, tmp_path: Path
) -> None:
    fingerprint.check(
        Sandbox(root=tmp_path, engine=engine, image=toolchain_image.id), toolchain_image.identity
    )
    sandbox = Sandbox(root=tmp_path, engine=engine, image=replaced)
    with pytest.raises(ImageError, match=r"changed: interpreter/bin/python3\.10") as caught:
        fingerprint.check(sandbox, toolchain_image.identity)
    assert f"docker rmi --force {replaced}" in caught.value.remedy


def test_no_layer_of_the_image_names_a_package_index(
    engine: DockerEngine, toolchain_image: ToolchainImage
) -> None:
    made = engine.client.images.get(toolchain_image.id)
    text = "".join(str(layer["CreatedBy"]) for layer in made.history())
    assert "/opt/tpu_mlir" in text
    assert not [word for word in text.split() if word.startswith(("PIP_INDEX", "PIP_EXTRA", "PIP_TRUSTED"))]
    reports = engine.client.containers.run(
        made, ["sh", "-c", "cat /opt/cvimake/*.json /opt/cvimake/onnx/*.json"], entrypoint=[], remove=True
    )
    assert b'"sha256"' in reports
    assert b'"url"' not in reports


def test_partial_images_are_removed_after_an_image_build(
    engine: DockerEngine, toolchain_image: ToolchainImage
) -> None:
    client = engine.client
    label = f"ARG CVIMAKE_PARTIAL\nLABEL {partial_images.LABEL}=$CVIMAKE_PARTIAL"
    stage = f"FROM {toolchain_image.id} AS build\n{label}\nUSER 0:0\nRUN echo first >/first"
    final = f"FROM {toolchain_image.id}\n{label}\nCOPY --from=build /first /second"
    arguments = {"CVIMAKE_PARTIAL": process.mark()}
    mine = {"label": f"{partial_images.LABEL}={process.mark()}"}
    # Another test may have made an image in this process, such as the export image.
    before = _ids(client.images.list(all=True, filters=mine))
    made, _ = client.images.build(
        fileobj=io.BytesIO(f"{stage}\n{final}\n".encode()), buildargs=arguments, rm=True, forcerm=True
    )
    tag = f"cvimake/test:{uuid.uuid4().hex}"
    made.tag(tag)
    try:
        assert [image.tags for image in client.images.list(filters=mine)].count([]) == 1
        partial_images.remove_own(client)
        left = [image for image in client.images.list(filters=mine) if image.id not in before]
        assert [image.tags for image in left] == [[tag]]
    finally:
        client.images.remove(tag, force=True)
        partial_images.remove_own(client)
    assert _ids(client.images.list(all=True, filters=mine)) == before


def _ids(images: Iterable[Image]) -> set[str]:
    return {str(image.id) for image in images}


def test_the_guides_commands_work_in_the_image_by_hand(
    engine: DockerEngine, toolchain_image: ToolchainImage
) -> None:
    tools = ("model_transform", "run_calibration", "run_qtable", "model_deploy.py", "model_runner")
    script = " && ".join([*(f"{tool} --help" for tool in tools), "(model_tool; true)"])
    # With the image's own variables, user and working directory.
    printed = engine.client.containers.run(
        toolchain_image.id, ["sh", "-c", script], network_mode="none", remove=True, stderr=True
    ).decode()
    assert [tool for tool in tools if f"usage: {tool.removesuffix('.py')}.py" not in printed] == []
    assert "--info" in printed
    assert "Warning" not in printed
