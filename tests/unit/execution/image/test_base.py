from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from cvimake.core import system
from cvimake.core.errors import ImageError
from cvimake.execution.image import base

OFFICIAL = "sophgo/tpuc_dev:v3.1"
DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


class FakeClient:
    """An engine with some images, and a registry with others."""

    def __init__(self, *, here: dict[str, Any] | None = None, registry: dict[str, Any] | None = None) -> None:
        self.here = here or {}
        self.registry = registry or {}
        self.pulled: list[str] = []
        self.images = SimpleNamespace(get=self._get)
        self.api = SimpleNamespace(pull=self._pull)

    def _get(self, name: str) -> Any:  # noqa: ANN401 - stands for docker's Image
        if name not in self.here:
            raise docker.errors.ImageNotFound(name)
        return self.here[name]

    def _pull(self, repository: str, tag: str, **_options: object) -> Iterator[dict[str, Any]]:
        name = f"{repository}{'@' if ':' in tag else ':'}{tag}"
        self.pulled.append(name)
        yield {"status": "Downloading", "id": "1", "progressDetail": {"current": 1, "total": 2}}
        if name not in self.registry:
            yield {"error": "toomanyrequests: You have reached your pull rate limit"}
            return
        self.here[name] = self.registry[name]
        yield {"status": "Pull complete", "id": "1"}


def image(*digests: str, labels: dict[str, str] | None = None) -> SimpleNamespace:
    return SimpleNamespace(attrs={"RepoDigests": list(digests)}, labels=labels or {})


def find(client: FakeClient, wanted: str = "", logs: Path = Path("/nowhere")) -> tuple[object, str]:
    found = base.find_or_make(client, wanted, logs, os.environ)  # type: ignore[arg-type]
    return found[0], found[1]


@pytest.fixture(autouse=True)
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recipe's folder, with a `base.toml` that pins no digest."""
    for name in ("bootstrap-base.sh", "debian-packages.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    path = tmp_path / "base.toml"
    path.write_text(f'image = "{OFFICIAL}"\ndigest = ""\n', encoding="utf-8")
    monkeypatch.setattr(base, "docker_folder", lambda: tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return path


def test_an_image_that_is_here_is_not_pulled() -> None:
    official = image(f"sophgo/tpuc_dev@{DIGEST}")
    client = FakeClient(here={OFFICIAL: official})
    assert find(client) == (official, f"{OFFICIAL}@{DIGEST}, digest not pinned")
    assert client.pulled == []


def test_the_official_image_is_pulled(capsys: pytest.CaptureFixture[str]) -> None:
    official = image(f"sophgo/tpuc_dev@{DIGEST}")
    assert find(FakeClient(registry={OFFICIAL: official}))[0] is official
    assert f"cvimake: pulling {OFFICIAL} ... " in capsys.readouterr().err


@pytest.mark.parametrize("repository", ["sophgo/tpuc_dev", "docker.io/sophgo/tpuc_dev"])
def test_an_image_with_the_pinned_digest_is_taken(pinned: Path, repository: str) -> None:
    pinned.write_text(f'image = "{OFFICIAL}"\ndigest = "{DIGEST}"\n', encoding="utf-8")
    client = FakeClient(here={OFFICIAL: image(f"mirror/other@{OTHER}", f"{repository}@{DIGEST}")})
    assert find(client)[1] == f"{OFFICIAL}@{DIGEST}"


@pytest.mark.parametrize("digests", [[], [f"sophgo/tpuc_dev@{OTHER}"], [f"somebody/else@{DIGEST}"]])
@pytest.mark.parametrize("pulled", [False, True])
def test_an_image_with_another_digest_than_the_pinned_one_is_refused(
    pinned: Path, digests: list[str], *, pulled: bool
) -> None:
    pinned.write_text(f'image = "{OFFICIAL}"\ndigest = "{DIGEST}"\n', encoding="utf-8")
    images = {OFFICIAL: image(*digests)}
    with pytest.raises(ImageError, match=r"docker/base\.toml says sha256:1+"):
        find(FakeClient(registry=images) if pulled else FakeClient(here=images))


def test_an_image_that_was_loaded_is_called_so() -> None:
    origin = find(FakeClient(here={OFFICIAL: image()}))[1]
    assert origin == f"{OFFICIAL}, loaded on this machine, without a registry's digest"


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("localhost:5000/base", f"localhost:5000/base@{DIGEST}"),
        ("localhost:5000/base:v1", f"localhost:5000/base@{DIGEST}"),
        ("debian:12", f"debian@{DIGEST}"),
        ("docker.io/sophgo/tpuc_dev:v3.1", f"sophgo/tpuc_dev@{DIGEST}"),
        (f"sophgo/tpuc_dev@{DIGEST}", f"sophgo/tpuc_dev@{DIGEST}"),
    ],
)
def test_a_wanted_image_is_taken_with_any_digest_and_named_by_it(name: str, reported: str) -> None:
    origin = find(FakeClient(here={name: image(reported)}), wanted=name)[1]
    assert "without a registry's digest" not in origin
    assert DIGEST in origin


def test_no_other_image_is_taken_for_a_wanted_one() -> None:
    client = FakeClient(here={OFFICIAL: image()})
    with pytest.raises(ImageError, match=r"mine:1 is not here and cannot be pulled: .*pull rate limit"):
        find(client, wanted="mine:1")


def test_a_bootstrapped_base_is_told_apart_whatever_it_is_called() -> None:
    made = image(labels={"cvimake.base": "bootstrapped; not the official image"})
    assert find(FakeClient(here={OFFICIAL: made}))[1] == "bootstrapped; not the official image"


def bootstrapped_name() -> str:
    return f"cvimake/base:bootstrapped-{base._bootstrap_digest()[:8]}"


def test_a_bootstrapped_base_that_is_here_is_taken_in_place_of_the_official_one() -> None:
    made = image(labels={"cvimake.base": "bootstrapped"})
    client = FakeClient(here={bootstrapped_name(): made})
    assert find(client) == (made, "bootstrapped")
    assert client.pulled == []


def test_a_base_that_was_bootstrapped_by_another_recipe_is_not_taken(pinned: Path) -> None:
    made = image(labels={"cvimake.base": "bootstrapped"})
    client = FakeClient(here={bootstrapped_name(): made})
    pinned.with_name("debian-packages.txt").write_text("another", encoding="utf-8")
    with pytest.raises(ImageError):
        find(client)


def test_making_a_base_needs_root(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageError, match=r"CVIMAKE_BASE=IMAGE \./doit image"):
        find(FakeClient())
    assert "cannot be pulled (toomanyrequests: You have reached" in capsys.readouterr().err


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root on a Debian machine with all that making a base takes."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(system, "has_apt", lambda _environment: True)
    monkeypatch.setattr("shutil.which", lambda name, **_options: f"/usr/bin/{name}")
    monkeypatch.setattr(base, "find_python", lambda _environment: Path("/opt/python3.10"))
    monkeypatch.setattr(base, "_python_version", lambda *_: "3.10.14")


@pytest.mark.usefixtures("root")
def test_a_base_needs_a_python_3_10(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_python", lambda _environment: None)
    with pytest.raises(ImageError, match=r"needs a Python 3\.10"):
        find(FakeClient())


@pytest.mark.usefixtures("root")
def test_a_bootstrapped_base_carries_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: dict[str, Any] = {}
    made = image()
    client = FakeClient()

    def import_image(_archive: str, **options: Any) -> None:  # noqa: ANN401 - the SDK's
        imported.update(options)
        client.here[f"{options['repository']}:{options['tag']}"] = made

    client.api.import_image_from_file = import_image
    run_scripts: list[list[str]] = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        run_scripts.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    origin = "bootstrapped from Debian packages and Python 3.10.14; not the official image"
    assert find(client, logs=tmp_path) == (made, origin)
    assert imported["changes"] == [f'LABEL cvimake.base="{origin}"']
    assert run_scripts[0][:3] == ["sh", str(tmp_path / "bootstrap-base.sh"), "/opt/python3.10"]


@pytest.mark.usefixtures("root")
def test_a_failed_bootstrap_shows_the_end_of_its_log(tmp_path: Path) -> None:
    script = "seq 20; echo 'no mirror answers' >&2; exit 1"
    (tmp_path / "bootstrap-base.sh").write_text(script, encoding="utf-8")
    with pytest.raises(ImageError, match="no mirror answers") as caught:
        find(FakeClient(), logs=tmp_path)
    assert str(tmp_path / "base.log") in caught.value.remedy


# Which Python


def write_python(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty PATH and an empty pyenv."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


@pytest.mark.usefixtures("paths")
def test_the_search_may_find_no_python() -> None:
    assert base.find_python(os.environ) is None


def test_a_python_that_does_not_run_or_does_not_do_is_passed_over(paths: Path) -> None:
    write_python(paths / "one" / "python3.10", "echo 'pyenv: version not installed' >&2; exit 127")
    good = write_python(paths / "two" / "python3.10", "echo 3.10.14")
    assert base.find_python(os.environ) == good
    good.write_text("#!/bin/sh\necho\n", encoding="utf-8")
    assert base.find_python(os.environ) is None


def test_a_python_of_pyenv_is_found(paths: Path) -> None:
    good = write_python(paths / "pyenv" / "versions" / "3.10.14" / "bin" / "python3.10", "echo 3.10.14")
    assert base.find_python(os.environ) == good


def test_a_pyenv_of_somebody_else_is_passed_over(paths: Path) -> None:
    """As where `su` keeps root's PYENV_ROOT."""
    for folder in ("one", "pyenv"):
        (paths / folder).mkdir(mode=0)
    is_root = os.getuid() == 0
    if is_root:
        paths.chmod(0o755)
        os.seteuid(65534)
    try:
        assert base.find_python(os.environ) is None
    finally:
        if is_root:
            os.seteuid(0)
