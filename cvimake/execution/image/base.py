"""Finds, pulls or makes the image that the toolchain image is built on."""

from __future__ import annotations

import glob
import os
import platform as host
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import docker.errors
from docker.models.images import Image
from docker.utils import parse_repository_tag

import docker
from cvimake.core import announce, digest, log_tail, system, toml
from cvimake.core.errors import ImageError
from cvimake.core.home import home
from cvimake.core.resources import docker_folder
from cvimake.execution.image.recipe import BASE_VARIABLE

# A label that says where a base came from. Images that are built on the base inherit it.
LABEL_BASE = "cvimake.base"
# The name of a base that is made from Debian packages. It never gets the official one's name.
BOOTSTRAPPED = "cvimake/base"
_MEGABYTE = 1000**2
_BOOTSTRAP = ("bootstrap-base.sh", "debian-packages.txt")


def find_or_make(
    client: docker.DockerClient,
    wanted: str,
    logs: Path,
    environment: Mapping[str, str],
    platform: str | None = None,
) -> tuple[Image, str]:
    """Return the base image, and where it came from, in words.

    Args:
        client: a client of the engine that is to have the image.
        wanted: the image's name; empty for the official one, or one made from Debian packages in its place.
        logs: the folder for the log.
        environment: the variables that cvimake was started with.
        platform: the platform of the image, where the engine's own is another one.

    Raises:
        ImageError: there is no such image, and it can be neither pulled nor made; says what to do.
    """
    _, pinned = toml.read(docker_folder() / "base.toml")
    name, expected = wanted or pinned["image"], "" if wanted else pinned["digest"]
    if image := _present(client, name):
        return image, _registry_origin(image, name, expected)
    bootstrapped = f"{BOOTSTRAPPED}:bootstrapped-{_bootstrap_digest()[:8]}"
    if not wanted and (image := _present(client, bootstrapped)):
        return image, image.labels[LABEL_BASE]
    try:
        with announce.step(f"pulling {name}") as show:
            _pull(client, name, show, platform)
        image = client.images.get(name)
    except docker.errors.DockerException as error:
        reason = str(getattr(error, "explanation", "") or error)
        if wanted:
            raise ImageError(f"the base image {name} is not here and cannot be pulled: {reason}") from error
        announce.note(f"{name} cannot be pulled ({_first_line(reason)}); making a base from Debian packages")
        return _bootstrap(client, bootstrapped, logs, environment)
    return image, _registry_origin(image, name, expected)


def _registry_origin(image: Image, name: str, expected: str) -> str:
    """Return where an image with a registry's name came from, after a check against the pinned digest.

    Raises:
        ImageError: it is another image than the pinned one.
    """
    if made := image.labels.get(LABEL_BASE):
        # Somebody gave this name to an image made from Debian packages.
        return str(made)
    repository = _plain_repository(name)
    digests = [
        text.partition("@")[2]
        for text in image.attrs.get("RepoDigests") or []
        if _plain_repository(text) == repository
    ]
    if expected and expected not in digests:
        raise ImageError(
            f"{name} is {', '.join(digests) or 'without a digest'}, and docker/base.toml says {expected}",
            f"Remove it (docker rmi {name}) and start again, or correct the file.",
        )
    if not digests:
        return f"{name}, loaded on this machine, without a registry's digest"
    return f"{name}@{digests[0]}" + ("" if expected else ", digest not pinned")


def _plain_repository(name: str) -> str:
    """Return an image's name without tag and digest, and without Docker's own registry."""
    repository, _ = parse_repository_tag(name)
    return str(repository).removeprefix("docker.io/").removeprefix("library/")


def _pull(client: docker.DockerClient, name: str, show: Callable[[str], None], platform: str | None) -> None:
    """Pull an image, and show how much of its known size has come."""
    repository, tag = parse_repository_tag(name)
    layers: dict[str, tuple[int, int]] = {}
    for message in client.api.pull(
        repository, tag=tag or "latest", stream=True, decode=True, platform=platform
    ):
        if error := message.get("error"):
            raise docker.errors.APIError(error, explanation=error)
        detail = message.get("progressDetail") or {}
        if message.get("status") == "Downloading" and detail.get("total"):
            layers[message["id"]] = (detail["current"], detail["total"])
        elif message.get("status") in {"Download complete", "Pull complete"} and message.get("id") in layers:
            layers[message["id"]] = (layers[message["id"]][1],) * 2
        if layers:
            current, total = (sum(column) for column in zip(*layers.values(), strict=True))
            show(f"{current / _MEGABYTE:.0f} of {total / _MEGABYTE:.0f} MB")


def _bootstrap(
    client: docker.DockerClient, tag: str, logs: Path, environment: Mapping[str, str]
) -> tuple[Image, str]:
    """Make a base from Debian packages and a Python 3.10 of this machine; return it and its origin."""
    remedy = (
        "Pull or load it yourself (docker pull, docker load), or name another base: "
        f"{BASE_VARIABLE}=IMAGE ./doit image"
    )
    if not (os.geteuid() == 0 and system.has_apt(environment) and host.machine() == "x86_64"):
        raise ImageError("a base image can only be made by root on Debian or Ubuntu on x86-64", remedy)
    python = find_python(environment)
    if python is None:
        raise ImageError(
            "a base image needs a Python 3.10, and none was found on the PATH, under pyenv or through uv",
            f"Install one (pyenv install 3.10, or uv python install 3.10).\n{remedy}",
        )
    missing = [name for name in ("mmdebstrap",) if not system.program(name, environment)]
    if missing:
        system.install([*missing, "debian-archive-keyring"], "making a base image", environment)
    log = logs / "base.log"
    with tempfile.TemporaryDirectory(prefix="cvimake-", dir=_roomy_folder()) as name:
        archive = Path(name) / "base.tar"
        with (
            announce.step(f"making a base from Debian packages and {python} (about 1 minute)"),
            log.open("wb") as out,
        ):
            script = str(docker_folder() / "bootstrap-base.sh")
            code = subprocess.run(
                ["sh", script, str(python), str(archive)], env=environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False,
            ).returncode  # fmt: skip
        if code != 0:
            raise ImageError("the base image cannot be made", log_tail.end_of(log))
        version = _python_version(python, environment)
        origin = f"bootstrapped from Debian packages and Python {version}; not the official image"
        repository, _, name_tag = tag.partition(":")
        with announce.step("importing the base"):
            client.api.import_image_from_file(
                str(archive), repository=repository, tag=name_tag, changes=[f'LABEL {LABEL_BASE}="{origin}"']
            )
    return client.images.get(tag), origin


def find_python(environment: Mapping[str, str], *, movable: bool = True, fetch: bool = True) -> Path | None:
    """Return a Python 3.10 that really runs: on the PATH, one of pyenv's, or one that uv has or can fetch.

    Args:
        environment: the variables that cvimake was started with.
        movable: whether its prefix will be copied; the system's own (prefix `/usr`) then does not count.
        fetch: whether uv may fetch one.
    """
    candidates = [*_on_path("python3.10", environment)]
    pyenv = Path(environment.get("PYENV_ROOT") or home(environment) / ".pyenv")
    candidates += _below(pyenv / "versions", "3.10*/bin/python3.10")
    for candidate in candidates:
        if _python_version(candidate, environment, movable=movable):
            return candidate
    if uv := system.program("uv", environment):
        with tempfile.TemporaryDirectory(prefix="cvimake-") as name:
            named = environment.get("UV_PYTHON_INSTALL_DIR")
            folder = home(environment) / ".local/share/uv/python" if named is None else Path(named)
            if fetch:
                with announce.step("fetching a Python 3.10 with uv"):
                    command = [uv, "python", "install", "3.10"]
                    subprocess.run(command, cwd=name, env=environment, capture_output=True, check=False)
            for candidate in _below(folder, "cpython-3.10*/bin/python3.10"):
                if _python_version(candidate, environment, movable=movable):
                    return candidate
    return None


def _below(folder: Path, pattern: str) -> list[Path]:
    """Return the files that match a pattern; none where we may not read the folder (`Path.glob` raises)."""
    return sorted(map(Path, glob.glob(f"{glob.escape(str(folder))}/{pattern}")))  # noqa: PTH207 - as said above


def _on_path(name: str, environment: Mapping[str, str]) -> Iterator[Path]:
    for folder in environment.get("PATH", "").split(os.pathsep):
        if os.access(path := Path(folder) / name, os.X_OK):
            yield path


def _python_version(python: Path, environment: Mapping[str, str], *, movable: bool = True) -> str:
    """Return the version of a Python 3.10; empty for another Python.

    If it has to be movable, it also needs a prefix of its own, and its headers.
    """
    code = (
        "import sys, sysconfig, os, venv, ensurepip; "
        f"good = sys.version_info[:2] == (3, 10) and (not {movable} or sys.base_prefix not in ('/usr', '/') "
        "and os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'))); "
        "print('.'.join(map(str, sys.version_info[:3])) if good else '')"
    )
    try:
        result = subprocess.run(
            [str(python), "-I", "-c", code],
            env=environment, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _present(client: docker.DockerClient, name: str) -> Image | None:
    try:
        return client.images.get(name)
    except docker.errors.ImageNotFound:
        return None


def _bootstrap_digest() -> str:
    return digest.of_value({name: digest.of_file(docker_folder() / name) for name in _BOOTSTRAP})


def _roomy_folder() -> str | None:
    """Return a folder for a file of 650 MB: /var/tmp, since /tmp may lie in memory."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 - a random name in it


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
