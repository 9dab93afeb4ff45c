from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from cvimake.core import lock, process
from cvimake.core.errors import ImageError
from cvimake.core.resources import docker_folder
from cvimake.execution.image import making
from cvimake.execution.image.fingerprint import Identified
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import (
    EXPORT_FILES,
    FRAMEWORKS_FILES,
    ExportRecipe,
    FrameworksRecipe,
    Recipe,
)
from cvimake.toolchain import commands

IDENTITY = {"python": "3.10.14", "packages": {"tpu-mlir": {"version": "1.7", "sha256": "00"}}, "system": {}}
IDENTIFIED = Identified(identity=IDENTITY, listing="00  packages/os.py\n")
PRUNED = {"dangling": True, "label": f"cvimake.partial={process.mark()}"}


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CVIMAKE_BASE", "CVIMAKE_TPU_MLIR_WHEEL"):
        monkeypatch.delenv(name, raising=False)


def test_the_images_of_earlier_versions_are_found() -> None:
    """Another label would have everybody build the image again."""
    assert making.LABEL_RECIPE == "cvimake.recipe"


def labels(identity: object = IDENTITY) -> dict[str, str]:
    return {"cvimake.identity": json.dumps(identity), "cvimake.base": "a base"}


def stored(name: str, created: str, labels: dict[str, str]) -> SimpleNamespace:
    return SimpleNamespace(id=name, attrs={"Created": created}, labels=labels)


class FakeClient:
    """An engine that lists some images, and builds one with the given messages."""

    def __init__(self, *listed: SimpleNamespace, messages: tuple[dict[str, Any], ...] = ()) -> None:
        self.listed = listed
        self.messages = messages
        self.filters: dict[str, str] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.finished = SimpleNamespace(id="sha256:finished", tag=self._tag)
        self.images = SimpleNamespace(list=self._list, build=self._label, prune=self._prune)
        self.api = SimpleNamespace(build=self._build)

    def _list(self, _name: str | None = None, *, filters: dict[str, str]) -> list[SimpleNamespace]:
        self.filters = filters
        return list(self.listed)

    def _build(self, **options: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - the SDK's
        folder = Path(options["path"])
        context = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        pip = (folder / "pip.conf").read_text(encoding="utf-8")
        self.events.append(("build", {**options, "context": context, "pip": pip}))
        yield from self.messages

    def _label(self, **options: Any) -> tuple[SimpleNamespace, list[str]]:  # noqa: ANN401 - the SDK's
        with tarfile.open(fileobj=options["fileobj"]) as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
            contents = {name: file.read().decode() for name, file in files.items() if file}
        self.events.append(("label", {**options, "files": contents}))
        return self.finished, []

    def _tag(self, repository: str, tag: str) -> None:
        self.events.append(("tag", {"name": f"{repository}:{tag}"}))

    def _prune(self, filters: dict[str, Any]) -> None:
        self.events.append(("prune", filters))


BUILT = ({"stream": "Step 1/2 : FROM x\n"}, {"aux": {"ID": "sha256:raw"}})


# Which image


def find(client: FakeClient) -> ToolchainImage | None:
    return making.find(client, Recipe())  # type: ignore[arg-type]


def test_the_newest_finished_image_of_the_recipe_is_found() -> None:
    client = FakeClient(
        stored("sha256:old", "2024-01-01T00:00:00Z", labels()),
        stored("sha256:new", "2024-03-01T00:00:00Z", labels()),
        stored("sha256:partial", "2024-04-01T00:00:00Z", {}),
        stored("sha256:older", "2024-02-01T00:00:00Z", labels()),
    )
    assert find(client) == ToolchainImage(id="sha256:new", base="a base", identity=IDENTITY)
    assert client.filters == {"label": f"cvimake.recipe={Recipe().digest()}"}


def test_an_unfinished_image_is_not_found() -> None:
    assert find(FakeClient(stored("sha256:partial", "2024-04-01T00:00:00Z", {}))) is None


def test_the_fingerprint_is_that_of_the_contents_alone() -> None:
    one = ToolchainImage(id="sha256:1", base="bootstrapped", identity=IDENTITY)
    same = ToolchainImage(id="sha256:2", base="official", identity=dict(reversed(IDENTITY.items())))
    other = ToolchainImage(id="sha256:1", base="bootstrapped", identity={**IDENTITY, "python": "3.10.15"})
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint


# How it is built


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base that is there, an identity that is known, certificates, and a pip without settings."""
    (tmp_path / "mine.crt").write_text("certificates", encoding="utf-8")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "mine.crt"))
    monkeypatch.setattr(making, "find_or_make", lambda *_: (SimpleNamespace(id="sha256:base"), "a base"))
    monkeypatch.setattr(making, "identify", lambda *_, **__: IDENTIFIED)
    set_pip(monkeypatch, "")
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def set_pip(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=text))


def build(client: FakeClient, folder: Path, recipe: Recipe | None = None) -> ToolchainImage:
    engine = SimpleNamespace(client=client, platform="linux/amd64")
    return making.build(engine, recipe or Recipe(), folder, os.environ)  # type: ignore[arg-type]


def options_of(client: FakeClient, event: str) -> dict[str, Any]:
    (options,) = [options for name, options in client.events if name == event]
    return options


@pytest.mark.usefixtures("no_engine")
def test_an_image_carries_recipe_identity_and_base_only_when_it_is_finished(tmp_path: Path) -> None:
    client = FakeClient(messages=BUILT)
    made = build(client, tmp_path)
    assert made == ToolchainImage(id="sha256:finished", base="a base", identity=IDENTITY)
    assert [name for name, _ in client.events] == ["build", "label", "tag", "prune"]
    assert options_of(client, "build")["labels"] == {"cvimake.partial": process.mark()}
    label = options_of(client, "label")
    assert label["files"] == {
        "Dockerfile": "FROM sha256:raw\nCOPY files.sha256 /opt/cvimake/\n",
        "files.sha256": IDENTIFIED.listing,
    }
    assert label["labels"]["cvimake.recipe"] == Recipe().digest()
    assert json.loads(label["labels"]["cvimake.identity"]) == IDENTITY
    assert label["labels"]["cvimake.base"] == "a base"
    assert options_of(client, "tag")["name"] == f"cvimake/tpu_mlir:1.7-{Recipe().digest()[:8]}"
    # As the engine asks for it, where its machine is another.
    assert options_of(client, "build")["platform"] == label["platform"] == "linux/amd64"


@pytest.mark.usefixtures("no_engine")
def test_images_without_our_label_are_not_pruned(tmp_path: Path) -> None:
    client = FakeClient(messages=BUILT)
    build(client, tmp_path)
    assert options_of(client, "prune") == PRUNED


@pytest.mark.usefixtures("no_engine")
def test_partial_images_of_killed_builds_are_removed_but_not_those_in_use(
    tmp_path: Path,
) -> None:
    number, _, ticks = process.mark().rpartition("-")
    others = [f"{number}-{int(ticks) - 1}", process.mark(), "another machine-1-2", "by-hand"]
    client = FakeClient(*(stored("", "", {"cvimake.partial": mark}) for mark in others), messages=BUILT)
    # The tests' engine has no finished image among them.
    build(client, tmp_path)
    pruned = [options["label"] for name, options in client.events if name == "prune"]
    assert pruned == [f"cvimake.partial={others[0]}", PRUNED["label"]]


@pytest.mark.parametrize("name", [Recipe.files[0], FrameworksRecipe.files[0]])
def test_every_stage_of_a_dockerfile_is_labelled_before_it_has_a_layer(name: str) -> None:
    lines = (docker_folder() / name).read_text(encoding="utf-8").splitlines()
    text = [line for line in lines if not line.startswith("#")]
    stages = [number for number, line in enumerate(text) if line.startswith("FROM ")]
    assert len(stages) == 2
    for number in stages:
        following = [line for line in text[number + 1 :] if not line.startswith(("USER ", "ARG "))]
        assert following[0] == "LABEL cvimake.partial=$CVIMAKE_PARTIAL"


@pytest.mark.parametrize("name", [Recipe.files[0], FrameworksRecipe.files[0]])
def test_a_dockerfile_takes_no_argument_that_names_a_package_index(name: str) -> None:
    """A build argument is in the history of every layer after it."""
    text = (docker_folder() / name).read_text(encoding="utf-8")
    arguments = [line.split()[1].partition("=")[0] for line in text.splitlines() if line.startswith("ARG ")]
    assert set(arguments) == {"BASE", "CVIMAKE_PARTIAL"}


@pytest.mark.usefixtures("no_engine")
def test_an_image_is_built_on_the_base_from_nothing_but_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.whl").touch()
    client = FakeClient(messages=BUILT)
    build(client, tmp_path, Recipe(wheel=tmp_path / "mine.whl"))
    assert options_of(client, "build")["buildargs"] == {
        "BASE": "sha256:base",
        "CVIMAKE_PARTIAL": process.mark(),
    }
    assert options_of(client, "build")["pip"] == "[global]\n"
    assert options_of(client, "build")["context"] == [
        "Dockerfile",
        "build-requirements.txt",
        "certificates.crt",
        "compile-simulator.sh",
        "interpreter.c",
        "onnx-requirements.txt",
        "pip.conf",
        "requirements.txt",
        "sha256.h",
        "simulator-convolution.h",
        "simulator-copy.h",
        "simulator.c",
        "source-requirements.txt",
        "wheels",
        "wheels/mine.whl",
    ]


@pytest.mark.usefixtures("no_engine")
def test_pips_indexes_and_the_proxies_of_this_machine_serve_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_pip(
        monkeypatch,
        "global.index-url='http://first/simple'\n"
        ":env:.index-url='http://last/simple'\n"
        "global.extra-index-url='http://a/simple file:///wheels http://b/simple'\n"
        "global.trusted-host='last'\n"
        "global.timeout='5'\n",
    )
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    client = FakeClient(messages=BUILT)
    build(client, tmp_path)
    assert options_of(client, "build")["buildargs"] == {
        "BASE": "sha256:base",
        "CVIMAKE_PARTIAL": process.mark(),
        "https_proxy": "http://proxy:3128",
    }
    assert options_of(client, "build")["pip"] == (
        "[global]\n"
        "index-url = http://last/simple\n"
        "extra-index-url = http://a/simple http://b/simple\n"
        "trusted-host = last\n"
    )


@pytest.mark.usefixtures("no_engine")
def test_a_failed_build_shows_the_end_of_its_log_and_labels_nothing(tmp_path: Path) -> None:
    messages = (
        *({"stream": f"line {number}\n"} for number in range(30)),
        {"error": "The command returned a non-zero code: 1"},
    )
    client = FakeClient(messages=messages)
    with pytest.raises(ImageError) as caught:
        build(client, tmp_path)
    log = tmp_path / "build" / "logs" / "image.log"
    assert "line 29" in caught.value.remedy
    assert "non-zero code" in str(caught.value)
    assert "line 5" not in caught.value.remedy
    assert f"The whole log: {log}" in caught.value.remedy
    assert "line 0\n" in log.read_text(encoding="utf-8")
    assert [name for name, _ in client.events] == ["build", "prune"]
    assert options_of(client, "prune") == PRUNED


@pytest.mark.usefixtures("no_engine")
def test_a_build_that_names_no_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        build(FakeClient(messages=({"stream": "done\n"},)), tmp_path)


@pytest.mark.usefixtures("no_engine")
def test_an_engine_that_fails_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise docker.errors.APIError("no space left")

    monkeypatch.setattr(making, "find_or_make", fail)
    with pytest.raises(ImageError, match="the toolchain image cannot be built: no space left"):
        build(FakeClient(), tmp_path)


def test_an_image_that_is_there_is_not_built(tmp_path: Path) -> None:
    client = FakeClient(stored("sha256:new", "2024-03-01T00:00:00Z", labels()))
    engine = SimpleNamespace(client=client, platform="linux/amd64")
    assert making.ensure(engine, Recipe(), tmp_path, os.environ).id == "sha256:new"  # type: ignore[arg-type]
    assert client.events == []


def test_an_image_that_another_process_made_while_we_waited_is_not_built_again(tmp_path: Path) -> None:
    client = FakeClient()
    engine = SimpleNamespace(client=client, platform="linux/amd64")
    (tmp_path / "build").mkdir()
    with ThreadPoolExecutor() as pool, lock.exclusive(tmp_path / "build" / ".toolchain.lock", "is building"):
        waiting = pool.submit(making.ensure, engine, Recipe(), tmp_path, os.environ)  # type: ignore[arg-type]
        with pytest.raises(FuturesTimeout):
            waiting.result(0.5)
        client.listed = (stored("sha256:new", "2024-03-01T00:00:00Z", labels()),)
    assert waiting.result(10).id == "sha256:new"
    assert client.events == []


# The one with PyTorch and TensorFlow

Asked = list[tuple[str, tuple[str, ...], dict[str, str]]]


def asked_identities(monkeypatch: pytest.MonkeyPatch, found: Identified) -> Asked:
    """Return the name, the programs and the variables with which identities are asked for from now on."""
    asked: Asked = []

    def identify(
        *_arguments: object, programs: tuple[str, ...], what: str, environment: dict[str, str]
    ) -> Identified:
        asked.append((what, programs, environment))
        return found

    monkeypatch.setattr(making, "identify", identify)
    return asked


@pytest.mark.usefixtures("no_engine")
def test_the_frameworks_image_is_built_on_the_toolchain_image_under_a_tag_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_identities(monkeypatch, IDENTIFIED)
    client = FakeClient(stored("sha256:toolchain", "2024-03-01T00:00:00Z", labels()), messages=BUILT)
    recipe = FrameworksRecipe(toolchain="abc")
    made = build(client, tmp_path, recipe)
    assert made == ToolchainImage(id="sha256:finished", base="a base", identity=IDENTITY)
    # The toolchain image was there.
    assert client.filters == {"label": f"cvimake.recipe={Recipe().digest()}"}
    options = options_of(client, "build")
    assert options["buildargs"] == {"BASE": "sha256:toolchain", "CVIMAKE_PARTIAL": process.mark()}
    assert options["dockerfile"] == "frameworks.Dockerfile"
    assert set(options["context"]) == {*FRAMEWORKS_FILES, "certificates.crt", "pip.conf", "wheels"}
    assert options_of(client, "label")["labels"]["cvimake.recipe"] == recipe.digest()
    assert options_of(client, "tag")["name"] == f"cvimake/tpu_mlir:1.7-frameworks-{recipe.digest()[:8]}"
    programs = ("frameworks_identity", "toolchain_identity", "installed_files")
    assert asked == [("frameworks image", programs, commands.environment())]
    assert (tmp_path / "build" / "logs" / "frameworks.log").exists()


# The one with Ultralytics' exporter


@pytest.mark.usefixtures("no_engine")
def test_the_export_image_is_built_on_the_base_and_its_licence_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = {"python": "3.10.14", "packages": {"ultralytics": {"version": "8.4.190"}}}
    asked = asked_identities(monkeypatch, Identified(identity=identity, listing=""))
    client = FakeClient(messages=BUILT)
    build(client, tmp_path, ExportRecipe())
    options = options_of(client, "build")
    assert options["buildargs"]["BASE"] == "sha256:base"
    assert options["dockerfile"] == "export.Dockerfile"
    assert set(options["context"]) == {*EXPORT_FILES, "certificates.crt", "pip.conf", "wheels"}
    name = ExportRecipe().digest()[:8]
    assert options_of(client, "tag")["name"] == f"cvimake/tpu_mlir:8.4.190-export-{name}"
    programs = ("export_identity", "toolchain_identity", "installed_files")
    assert asked == [("export image", programs, commands.export_environment())]
    assert (tmp_path / "build" / "logs" / "export.log").exists()
    assert "Ultralytics, whose licence is AGPL-3.0" in capsys.readouterr().err


NO_NETWORK = (
    "WARNING: Retrying (Retry(total=0)): Temporary failure in name resolution\n"
    "ERROR: Could not find a version that satisfies the requirement ml-dtypes==0.6.0 (from versions: none)\n"
)


@pytest.mark.parametrize(
    ("recipe", "text", "told"),
    [
        (ExportRecipe(), NO_NETWORK, True),
        (ExportRecipe(), "gcc: not found\n", False),
        (Recipe(), NO_NETWORK, False),
    ],
)
@pytest.mark.usefixtures("no_engine")
def test_without_a_network_the_needed_wheels_of_the_exporter_are_named(
    tmp_path: Path, recipe: Recipe, text: str, *, told: bool
) -> None:
    client = FakeClient(messages=({"stream": text}, {"error": "The command returned a non-zero code: 1"}))
    with pytest.raises(ImageError, match=f"building the {recipe.what} image failed") as caught:
        build(client, tmp_path, recipe)
    assert ("ultralytics==8.4.190" in str(caught.value)) == told
    assert ("torch==2.6.0" in str(caught.value)) == told
    assert text.splitlines()[-1] in str(caught.value)
