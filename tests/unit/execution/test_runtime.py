from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cvimake.core.errors import EngineError, ImageError
from cvimake.core.paths import EXPORT, FRAMEWORKS
from cvimake.execution import runtime as runtime_module
from cvimake.execution.engine import connection
from cvimake.execution.engine.local import LocalEngine
from cvimake.execution.image import fingerprint, local, making
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.runtime import Runtime, Runtimes
from cvimake.execution.sandbox import Sandbox


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


# Which engine


class FakeDockerEngine:
    def __init__(self, client: object, _environment: Mapping[str, str]) -> None:
        self.client = client


class Engines:
    """What brings up an engine or a toolchain, in the place of what really does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, docker: bool, named: bool = False) -> None:
        self.docker = docker
        identity = {"a": 1}
        monkeypatch.delenv("CVIMAKE_ENGINE", raising=False)
        monkeypatch.setattr(connection, "ensure", self.ensure)
        monkeypatch.setattr(connection, "is_this_machines", lambda _environment: not named)
        monkeypatch.setattr(runtime_module, "DockerEngine", FakeDockerEngine)
        monkeypatch.setattr(
            making,
            "ensure",
            lambda _engine, recipe, *_: ToolchainImage(
                id={
                    "toolchain": "sha256:abc",
                    "export": "sha256:export",
                    "frameworks": f"frameworks on {getattr(recipe, 'toolchain', '')}",
                }[recipe.what],
                base="",
                identity=identity,
            ),
        )
        self.checked: list[str] = []
        monkeypatch.setattr(fingerprint, "check", lambda sandbox, *_: self.checked.append(sandbox.image))
        monkeypatch.setattr(
            local, "ensure", lambda *_: ToolchainImage(id="/prefix", base="", identity=identity)
        )

    def ensure(self, _environment: Mapping[str, str]) -> str:
        if not self.docker:
            raise EngineError("no Docker engine answers", "Install it.")
        return "a Docker engine"


def made(tmp_path: Path) -> Runtime:
    return Runtimes(tmp_path, os.environ).plain()


def test_docker_is_taken_where_it_can_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engines = Engines(monkeypatch, docker=True)
    assert made(tmp_path).image.id == "sha256:abc"
    assert engines.checked == ["sha256:abc"]


def test_stages_see_the_variables_of_the_simulator_and_no_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Engines(monkeypatch, docker=True)
    environment = {"CVIMAKE_SIMULATOR_COMPARE": "1", "CVIMAKE_SIMULATOR_OFF": "", "CVIMAKE_BASE": "base"}
    variables = Runtimes(tmp_path, environment).plain().sandbox.variables
    assert variables == {"CVIMAKE_SIMULATOR_COMPARE": "1"}


def test_without_docker_stages_run_on_this_machine_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Engines(monkeypatch, docker=False)
    runtime = made(tmp_path)
    assert isinstance(runtime.sandbox.engine, LocalEngine)
    said = capsys.readouterr().err
    assert "warning: stages run on this machine without containers" in said
    assert "\n  no Docker engine answers\n    Install it." in said


def test_cvimake_engine_docker_gives_docker_or_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Engines(monkeypatch, docker=False)
    monkeypatch.setenv("CVIMAKE_ENGINE", "docker")
    with pytest.raises(EngineError, match="no Docker engine answers"):
        made(tmp_path)


def test_docker_host_gives_that_engine_or_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Engines(monkeypatch, docker=False, named=True)
    with pytest.raises(EngineError, match="no Docker engine answers"):
        made(tmp_path)


def test_cvimake_engine_local_gives_no_containers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Engines(monkeypatch, docker=True)
    monkeypatch.setenv("CVIMAKE_ENGINE", "local")
    assert isinstance(made(tmp_path).sandbox.engine, LocalEngine)


def test_a_machine_without_avx2_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime_module, "has_avx2", lambda: True)
    runtime_module._warn_without_avx2()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(runtime_module, "has_avx2", lambda: False)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    runtime_module._warn_without_avx2()
    assert "the machine has no AVX2" in capsys.readouterr().err


# The image with PyTorch and TensorFlow


def test_some_networks_are_read_in_an_image_of_their_own_on_the_same_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engines = Engines(monkeypatch, docker=True)
    runtimes = Runtimes(tmp_path, os.environ)
    plain, runtime = runtimes.plain(), runtimes.with_frameworks()
    assert runtimes.plain() is plain
    assert engines.checked == [plain.image.id, runtime.image.id]
    assert runtime.sandbox.engine is plain.sandbox.engine
    assert runtime.sandbox.image == runtime.image.id == f"frameworks on {plain.image.fingerprint}"


def test_without_containers_such_networks_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Engines(monkeypatch, docker=False)
    with pytest.raises(ImageError, match=r"(?s)stages run without containers.*export the network to ONNX"):
        Runtimes(tmp_path, os.environ).with_frameworks()


def test_another_frameworks_image_is_refused_by_the_name_of_its_record(runtime: Runtime) -> None:
    with pytest.raises(ImageError, match=r"(?s)build/frameworks\.json.*forget frameworks"):
        runtime.check({"a": 1}, FRAMEWORKS)


# The image with Ultralytics' exporter


def test_checkpoints_are_exported_in_an_image_of_their_own_on_the_same_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engines = Engines(monkeypatch, docker=True)
    runtimes = Runtimes(tmp_path, os.environ)
    runtime = runtimes.recorded_in(EXPORT)
    assert runtimes.for_export() is runtime
    assert engines.checked == ["sha256:abc", "sha256:export"]
    assert runtime.sandbox.engine is runtimes.plain().sandbox.engine
    assert runtime.sandbox.image == "sha256:export"


def test_without_containers_no_checkpoint_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Engines(monkeypatch, docker=False)
    with pytest.raises(ImageError, match="a checkpoint is only opened in a container"):
        Runtimes(tmp_path, os.environ).for_export()
