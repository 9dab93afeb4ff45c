from __future__ import annotations

import json
from pathlib import Path

import measured_projects
import small_stages

from cvimake.pipeline.stage import Stage
from cvimake.pipeline.stages import preview
from cvimake.project import read_declarations


def stages(root: Path) -> list[Stage]:
    (model,) = read_declarations(root).models.values()
    return list(preview.stages(model))


def test_a_model_that_is_not_measured_has_no_preview(tmp_path: Path) -> None:
    assert list(preview.stages(small_stages.declared(tmp_path))) == []


def test_the_preview_reads_the_detections_of_every_network(tmp_path: Path) -> None:
    measured_projects.project(tmp_path, '[variant.bf16]\nquantize = "BF16"\n')
    (stage,) = stages(tmp_path)
    options = json.loads(stage.action.texts[0].text)
    assert [network["name"] for network in options["networks"]] == ["float", "f16", "bf16"]
    read = {file.name for file in stage.action.inputs}
    assert read == {file for network in options["networks"] for key, file in network.items() if key != "name"}
    assert [str(output.path) for output in stage.action.outputs] == [
        "build/net/net_preview.png", "build/net/net_preview.json", "build/net/net_preview.zip",
    ]  # fmt: skip


def test_the_container_sees_no_name_of_an_image(tmp_path: Path) -> None:
    measured_projects.project(tmp_path, images=1)
    image = tmp_path / "datasets/street/0.png"
    image.rename(image.with_name("\u202ea'b.png"))
    (stage,) = stages(tmp_path)
    (images,) = (folder for folder in stage.action.folders if folder.target == "/images")
    assert list(images.files) == ["00000.png"]


def test_a_preview_only_runs_if_it_is_named(tmp_path: Path) -> None:
    measured_projects.project(tmp_path)
    (stage,) = stages(tmp_path)
    assert stage.on_request
