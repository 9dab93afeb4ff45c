"""Every name that a declaration accepts can be built: the toolchain derives names of files from it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lab import PROBES, Lab
from networks import Network, save_images
from projects import Project

from cvimake.core.action import Limits
from cvimake.core.resources import container_program
from cvimake.pipeline.stages import mlir
from cvimake.project import read_declarations
from cvimake.project.names import LONGEST_NAME, NAME, RESERVED_NAMES
from cvimake.toolchain import cvimodel

SIZE = 8
DECLARATION = f"""
source = "net.onnx"
[input]
shapes = [[1, 3, {SIZE}, {SIZE}]]
[verify]
input = "0.png"
[calibration]
data_list = "samples.txt"
[variant.int8]
quantize = "INT8"
qtable = {{ expected_cos = 0.9999999 }}
"""
# How many names one run tries; by hand as many as wanted.
COUNT = int(os.environ.get("CVIMAKE_TEST_NAMES", "8"))
# Names of files that the stages or the tools use themselves, and what a reader of names could take for
# something else.
AWKWARD = ("FastestDet", "source", "final_opt", "net.mlir", "A.onnx", "1e5", "0", "None", "a..b", "Z-", "x.")
LONG = ("1Ab-.C_" * LONGEST_NAME)[:LONGEST_NAME]

names = st.one_of(
    st.sampled_from(AWKWARD),
    st.from_regex(NAME, fullmatch=True),
    st.from_regex(NAME, fullmatch=True).map(lambda name: (name * LONGEST_NAME)[:LONGEST_NAME]),
).filter(lambda name: len(name) <= LONGEST_NAME and name not in RESERVED_NAMES)


def save(folder: Path) -> None:
    network = Network()
    network.node("GlobalAveragePool", "scores", network.conv("conv0", "images", (3, 4)))
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / "net.onnx", {"images": [1, 3, SIZE, SIZE]}, {"scores": [1, 4, 1, 1]})
    save_images(folder, 2, (SIZE, SIZE))
    (folder / "samples.txt").write_text("0.png\n1.png\n", encoding="utf-8")


def test_the_transform_writes_the_files_that_the_stage_expects(
    new_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(
        max_examples=1, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(names, min_size=COUNT, max_size=COUNT, unique=True))
    def transform(chosen: list[str]) -> None:
        lab = new_lab(tmp_path_factory.mktemp("lab"))
        tried = [*dict.fromkeys([*AWKWARD[:3], LONG, *chosen])]
        commands, expected = {}, {}
        for name in tried:
            folder = lab.root / "models" / name
            save(folder)
            (folder / "model.toml").write_text(DECLARATION, encoding="utf-8")
        for model in read_declarations(lab.root).models.values():
            action = next(mlir.stages(model)).action
            commands[model.name] = action.argv
            expected[model.name] = {output.name for output in action.outputs}
        save(lab.root / "in")
        (lab.root / "in" / "0.png").rename(lab.root / "in" / "test_input.png")
        (lab.root / "in" / "net.onnx").rename(lab.root / "in" / "_source.onnx")
        lab.add_input("reduce_reference.py", container_program("reduce_reference").read_bytes())
        probe = lab.action(
            PROBES / "transform_names.py", "out.json", json.dumps(commands), limits=Limits(seconds=3600.0)
        )
        found = lab.run(probe)
        assert found.keys() == expected.keys()
        for name, told in found.items():
            assert expected[name] <= set(told["files"]), name
            assert told["weights"] in expected[name]

    transform()


def test_a_model_with_a_long_name_of_every_kind_of_character_is_built(tmp_path: Path) -> None:
    project = Project.make(tmp_path, LONG, DECLARATION)
    save(project.model)
    project.built()
    listing = cvimodel.parse(project.path("_cv181x_int8_info.txt").read_text(encoding="utf-8"))
    # The name in the file is the user's.
    assert listing.name == LONG


def test_a_model_can_be_called_as_a_file_of_a_stage_is(tmp_path: Path) -> None:
    project = Project.make(tmp_path, "source", DECLARATION)
    save(project.model)
    project.built("source:mlir")
