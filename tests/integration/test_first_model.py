"""The tiny model from ONNX to cvimodel, by doit as users call it: the same bytes, and only what is needed."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from lab import EXAMPLE, HANGS_AFTER, ROOT, environment, wait_until

from cvimake.core import digest
from cvimake.dodo import STAGES
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.engine.service import SOCKET
from cvimake.execution.image.making import LABEL_IDENTITY, LABEL_RECIPE, REPOSITORY, ToolchainImage
from cvimake.execution.image.recipe import Recipe
from cvimake.project import read_declarations

# Of no user of this machine.
OTHER_USER = 54321
CVIMODEL = "build/tiny/tiny_cv181x_f16.cvimodel"
# One variant of the three that tests/models/tiny has: enough to see what runs and what does not.
DECLARATION = """
description = "Three convolutions"
source = "tiny.onnx"
[input]
shapes = [[1, 3, 128, 128]]
mean = [0.0, 0.0, 0.0]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
[verify]
input = "images/00.png"
[variant.f16]
quantize = "F16"
quant_input = true
fuse_preprocess = true
customization_format = "RGB_PACKED"
tolerance = [0.99, 0.9]
"""


@dataclass(frozen=True)
class Project:
    """A copy of the project, and who builds it.

    Attributes:
        user: a number; None for the one that the tests run as.
    """

    folder: Path
    user: int | None = None

    @classmethod
    def make(cls, folder: Path, user: int | None = None) -> Project:
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "dodo.py", folder)
        shutil.copytree(EXAMPLE / "models" / "tiny", folder / "models" / "tiny")
        (folder / "models" / "tiny" / "model.toml").write_text(DECLARATION, encoding="utf-8")
        if user is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user, user)
        return cls(folder, user)

    @property
    def source(self) -> Path:
        return self.folder / "models" / "tiny" / "tiny.onnx"

    def command(self, *arguments: str) -> list[str]:
        command = [sys.executable, "-m", "cvimake.cli", *arguments]
        if self.user is None:
            return command
        # Of root's rights it keeps the one to read, since this Python may lie in root's own folder.
        return [
            "setpriv", f"--reuid={self.user}", f"--regid={self.user}", f"--groups={SOCKET.stat().st_gid}",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", *command,
        ]  # fmt: skip

    def doit(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, env=environment(HOME=str(self.folder), **variables),
            capture_output=True, text=True, check=False, timeout=HANGS_AFTER,
        )  # fmt: skip

    def build(self, *arguments: str, **variables: str) -> list[str]:
        """Builds; returns the tasks that ran."""
        result = self.doit(*arguments, **variables)
        assert result.returncode == 0, result.stdout + result.stderr
        ran = re.findall(r"^(\S+): built in", result.stdout, re.MULTILINE)
        assert f"{len(ran)} built" in result.stdout
        return ran

    def results(self) -> dict[str, str]:
        """The sha256 of each result."""
        return {path.name: digest.of_file(path) for path in sorted(self.folder.glob("build/tiny/*"))}

    def declare(self, old: str, new: str) -> None:
        """Changes the declaration, in one place."""
        path = self.folder / "models" / "tiny" / "model.toml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Project:
    assert toolchain_image.id
    project = Project.make(tmp_path_factory.mktemp("built") / "project")
    assert project.build() == ["toolchain", "tiny:onnx", "tiny:mlir", "tiny:f16", "tiny:f16_info"]
    return project


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """A copy of the built project, for a test to change."""
    shutil.copytree(built.folder, tmp_path / "project")
    return Project(tmp_path / "project")


def change_a_weight(data: bytes) -> bytes:
    """The network with one weight of another sign; the size stays."""
    (weights, *_) = onnx.load_model_from_string(data).graph.initializer
    at = data.index(weights.raw_data)
    changed = bytearray(data)
    changed[at + 3] ^= 0x80
    return bytes(changed)


def test_a_build_makes_every_file_of_the_model(built: Project) -> None:
    assert list(built.results()) == [
        "tiny.mlir",
        "tiny.onnx",
        "tiny_cv181x_f16.cvimodel",
        "tiny_cv181x_f16_info.json",
        "tiny_cv181x_f16_info.txt",
        "tiny_cv181x_f16_time.json",
        "tiny_cv181x_f16_validation.json",
        "tiny_onnx.json",
        "tiny_outputs.json",
        "tiny_top_f32_all_weight.npz",
        "tiny_top_outputs.npz",
    ]
    assert not list(built.folder.glob("build/.work/*"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str]]:
    """A project in a folder with a difficult name, and what its first build made."""
    folder = tmp_path_factory.mktemp("elsewhere") / "a folder, 'odd' and long" / ("x" * 120) / ("y" * 120)
    other = Project.make(folder / "project")
    assert len(other.build()) == 5
    return other, other.results()


def test_another_folder_gives_the_same_bytes(
    built: Project, elsewhere: tuple[Project, dict[str, str]]
) -> None:
    assert elsewhere[1] == built.results()


def test_another_process_runs_each_stage_from_its_pickle(
    built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.make(tmp_path / "project")
    assert project.build("toolchain") == ["toolchain"]
    monkeypatch.chdir(project.folder)
    (model,) = read_declarations(Path()).models.values()
    program = ROOT / "tests" / "integration" / "run_stage.py"
    for stage in (stage for stages in STAGES for stage in stages(model)):
        ran = subprocess.run(
            [sys.executable, program], input=pickle.dumps(stage), env=environment(HOME=str(tmp_path)),
            capture_output=True, check=False, timeout=HANGS_AFTER,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr.decode()
    assert project.results() == built.results()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_gets_the_same_bytes(built: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Project.make(tmp_path_factory.mktemp("other user") / "project", OTHER_USER)
    assert len(other.build()) == 5
    assert other.results() == built.results()
    assert {path.stat().st_uid for path in other.folder.rglob("*")} == {OTHER_USER}
    log = (other.folder / "build" / "logs" / "tiny" / "f16.log").read_text(encoding="utf-8")
    assert f"--user {OTHER_USER}:{OTHER_USER} " in log


def test_a_second_run_runs_nothing(project: Project) -> None:
    result = project.doit()
    assert result.returncode == 0
    assert result.stdout.endswith("\n0 built, 5 unchanged\n")
    assert re.search(r"^tiny +f16 .* classifier +works +unchanged$", result.stdout, re.MULTILINE)
    assert result.stderr == ""


def test_new_times_of_the_files_run_nothing(project: Project) -> None:
    files = [path for folder in ("models", "build") for path in (project.folder / folder).rglob("*.*")]
    assert project.source in files
    assert project.folder / CVIMODEL in files
    for path in files:
        os.utime(path, (1, 1))
    assert project.build() == []


def test_a_file_that_no_stage_reads_runs_nothing(project: Project) -> None:
    (project.folder / "models" / "tiny" / "images" / "07.png").write_bytes(b"another")
    (project.folder / "models" / "tiny" / "notes.txt").touch()
    project.declare('description = "Three', 'description = "Really three')
    assert project.build() == []


def test_an_option_of_a_variant_runs_that_variant_alone(project: Project) -> None:
    project.declare("tolerance = [0.99, 0.9]", "tolerance = [0.98, 0.9]")
    assert project.build() == ["tiny:f16"]
    assert project.build() == []


def test_another_mean_runs_the_transform_and_all_later_stages(project: Project, built: Project) -> None:
    project.declare("mean = [0.0, 0.0, 0.0]", "mean = [1.0, 2.0, 3.0]")
    assert project.build() == ["tiny:mlir", "tiny:f16", "tiny:f16_info"]
    assert project.results()[Path(CVIMODEL).name] != built.results()[Path(CVIMODEL).name]


def test_another_test_image_runs_the_stages_that_use_it(project: Project) -> None:
    images = project.folder / "models" / "tiny" / "images"
    shutil.copy(images / "01.png", images / "00.png")
    # The info holds the similarity that was seen.
    assert project.build() == ["tiny:mlir", "tiny:f16", "tiny:f16_info"]


def move_over(path: Path, data: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.replace(path)


def write_in_place(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)


@pytest.mark.parametrize("replace", [move_over, write_in_place])
def test_a_source_of_equal_time_and_size_with_other_bytes_is_noticed(
    elsewhere: tuple[Project, dict[str, str]], replace: Callable[[Path, bytes], None]
) -> None:
    # Not in a copy, since the files there are none that the records know.
    project, _ = elsewhere
    project.build()
    before, results = project.source.stat(), project.results()
    data = project.source.read_bytes()
    replace(project.source, change_a_weight(data))
    os.utime(project.source, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = project.source.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    try:
        assert project.build() == ["tiny:onnx", "tiny:mlir", "tiny:f16", "tiny:f16_info"]
        assert project.results()[Path(CVIMODEL).name] != results[Path(CVIMODEL).name]
    finally:
        # For the next test.
        move_over(project.source, data)


def test_a_change_that_leaves_a_stages_results_equal_stops_there(project: Project, built: Project) -> None:
    model = onnx.load(project.source)
    model.producer_name = "somebody else"
    onnx.save(model, project.source)
    assert project.build() == ["tiny:onnx"]
    assert project.results() == built.results()


def test_an_onnx_file_is_converted_by_itself(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "older.onnx"
    names = str(project.source), str(target)
    result = project.doit("onnx:downgrade", *names, "--opset", "12", "--ir", "4")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0].startswith("is           IR 4, opset 12, from IR ")
    assert onnx.load(target).opset_import[0].version == 12
    again = project.doit("onnx:downgrade", *names)
    assert again.returncode == 2
    assert "--force replaces it" in again.stderr


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("tiny_cv181x_f16.cvimodel", "tiny:f16"),
        ("tiny_top_f32_all_weight.npz", "tiny:mlir"),
        ("tiny.onnx", "tiny:onnx"),
    ],
)
def test_a_removed_result_is_built_again(project: Project, built: Project, name: str, task: str) -> None:
    (project.folder / "build" / "tiny" / name).unlink()
    assert project.build() == [task]
    assert project.results() == built.results()


def test_a_broken_source_fails_with_one_clear_message_and_keeps_the_former_results(
    project: Project, built: Project
) -> None:
    os.truncate(project.source, project.source.stat().st_size // 2)
    result = project.doit()
    assert result.returncode == 2
    assert result.stdout.count("FAILED") == 1
    assert "models/tiny/tiny.onnx is not an ONNX file, or is cut off\n" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    assert project.results() == built.results()
    # It is not taken for done.
    assert project.doit().returncode == 2


def test_a_failed_tool_is_told_with_its_cause_and_its_log_and_keeps_the_former_results(
    project: Project, built: Project
) -> None:
    network = onnx.load(project.source)
    network.graph.node[1].op_type = "Frobnicate"
    project.source.write_bytes(network.SerializeToString())
    result = project.doit()
    assert result.returncode == 1
    assert result.stdout.count("FAILED") == 1
    assert (
        "the ONNX network is refused: it breaks the rules of ONNX: No Op registered for Frob" in result.stdout
    )
    assert f"The whole log: {project.folder}/build/logs/tiny/onnx.log\n" in result.stdout
    assert "cvimake/" not in result.stdout + result.stderr
    assert project.results() == built.results()


@pytest.mark.parametrize("form", ["{0}", "./{0}", "{1}/{0}"])
def test_a_results_path_selects_it(project: Project, form: str) -> None:
    project.declare("[variant.f16]", '[variant.second]\nquantize = "BF16"\n\n[variant.f16]')
    (project.folder / CVIMODEL).unlink()
    assert project.build(form.format(CVIMODEL, project.folder)) == ["tiny:f16"]


def test_a_results_path_is_meant_from_where_the_user_is(project: Project) -> None:
    project.declare("[variant.f16]", '[variant.second]\nquantize = "BF16"\n\n[variant.f16]')
    name = Path(CVIMODEL).name
    (project.folder / CVIMODEL).unlink()
    assert project.build(name, CVIMAKE_INVOKED_FROM=str(project.folder / "build" / "tiny")) == ["tiny:f16"]


@pytest.fixture(scope="module", params=[signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def resumed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage
) -> tuple[Project, list[str]]:
    """A project whose build was interrupted in its last stage, and what the next run ran."""
    assert toolchain_image.id
    project = Project.make(tmp_path_factory.mktemp("resumed") / "project")
    process = subprocess.Popen(
        project.command(), cwd=project.folder, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = project.folder / "build" / "logs" / "tiny" / "f16.log"
    wait_until(lambda: log.exists() and b"INFO" in log.read_bytes(), "the last stage ran")
    process.send_signal(request.param)
    process.wait(HANGS_AFTER)
    assert not (project.folder / CVIMODEL).exists()
    return project, project.build()


def test_a_resumed_build_makes_the_same_bytes(built: Project, resumed: tuple[Project, list[str]]) -> None:
    assert resumed[0].results() == built.results()


def test_a_resumed_build_goes_on_where_the_first_was(resumed: tuple[Project, list[str]]) -> None:
    assert resumed[1] == ["tiny:f16", "tiny:f16_info"]


def test_another_toolchain_runs_everything(
    project: Project, built: Project, engine: DockerEngine, toolchain_image: ToolchainImage
) -> None:
    # Another base makes another recipe; this image of it computes the same and says that it does not.
    recipe = Recipe(base=toolchain_image.id)
    identity = {**toolchain_image.identity, "python": "3.10.0"}
    labels = {LABEL_RECIPE: recipe.digest(), LABEL_IDENTITY: json.dumps(identity)}
    dockerfile = io.BytesIO(f"FROM {toolchain_image.id}\n".encode())
    other, _ = engine.client.images.build(fileobj=dockerfile, labels=labels, rm=True)
    # Another run of the tests on this engine may have made the same image.
    tag = f"another-{uuid.uuid4().hex}"
    other.tag(REPOSITORY, tag)
    try:
        ran = project.build(CVIMAKE_BASE=toolchain_image.id)
        assert ran == ["toolchain", "tiny:onnx", "tiny:mlir", "tiny:f16", "tiny:f16_info"]
        assert project.results() == built.results()
        assert project.build(CVIMAKE_BASE=toolchain_image.id) == []
    finally:
        engine.client.images.remove(f"{REPOSITORY}:{tag}", force=True)


def test_a_model_without_its_source_waits_and_stops_nobody_else(project: Project) -> None:
    waiting = project.folder / "models" / "waiting"
    waiting.mkdir()
    (waiting / "model.toml").write_text(DECLARATION, encoding="utf-8")
    assert project.build() == []
    result = project.doit("waiting")
    assert result.returncode == 2
    assert "waiting waits for its source: put it at models/waiting/tiny.onnx" in result.stdout


def test_a_project_of_ones_own_builds_with_the_cvimake_that_it_was_made_with(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "cvimake.cli", "new", str(tmp_path / "mine")],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"cd {tmp_path}/mine && ./doit" in made.stdout
    assert (tmp_path / "mine" / "dodo.py").read_text(encoding="utf-8").count("\n") == 3
    own = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    result = subprocess.run(
        ["./doit", "tiny:f16_info"],
        cwd=tmp_path / "mine",
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "tiny:f16_info: built in" in result.stdout


@pytest.mark.parametrize("damage", [b"", b"CviModel, but another", None])
def test_a_damaged_result_is_made_again_and_what_follows_stays(
    project: Project, damage: bytes | None
) -> None:
    before = project.results()
    result = project.folder / "build" / "tiny" / "tiny_cv181x_f16.cvimodel"
    content = result.read_bytes()
    # One bit of the last byte, where nothing is given.
    result.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    assert project.build() == ["tiny:f16"]
    assert project.results() == before
