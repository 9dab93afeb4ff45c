"""The images that steps run in: found by their recipes, or built, and told apart by what computes in them."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import docker.errors
from docker.models.images import Image

import docker
from cvimake import announce, digest, toolchain
from cvimake.action import Action, FileKind, Input, Limits, Output
from cvimake.base_image import LABEL_BASE, find_or_make
from cvimake.engine import Engine
from cvimake.engine.docker import DockerEngine
from cvimake.errors import ImageError
from cvimake.recipe import FrameworksRecipe, Recipe
from cvimake.resources import docker_folder, step
from cvimake.sandbox import Sandbox

REPOSITORY = "cvimake/tpu_mlir"
LABEL_RECIPE = "cvimake.recipe"
LABEL_IDENTITY = "cvimake.identity"
# On images that are only on the way to another; they are removed when that one is done.
LABEL_PARTIAL = "cvimake.partial"
# Where the output of their builds goes, in the folder of logs.
LOGS = {Recipe.what: "image.log", FrameworksRecipe.what: "frameworks.log"}
_LAST_LINES = 12
# How long building one takes, on two cores.
_MINUTES = {Recipe.what: "about 2 minutes", FrameworksRecipe.what: "about 2 minutes"}
_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToolchainImage:
    """An image that steps can run in.

    Attributes:
        id: the engine's name for it; differs from machine to machine.
        base: where its base came from, for people.
        identity: what computes in it; see `steps/toolchain_identity.py`.
    """

    id: str
    base: str
    identity: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """The identity as one digest: equal on every machine for equal contents."""
        return digest.of_value(self.identity)


def find(client: docker.DockerClient, recipe: Recipe) -> ToolchainImage | None:
    """The newest finished image of a recipe."""
    images = client.images.list(REPOSITORY, filters={"label": f"{LABEL_RECIPE}={recipe.digest()}"})
    # What somebody builds on a finished image inherits its labels, and not its name.
    finished = [image for image in images if LABEL_IDENTITY in image.labels]
    if not finished:
        return None
    image = max(finished, key=lambda image: str(image.attrs["Created"]))
    return ToolchainImage(
        id=str(image.id), base=image.labels[LABEL_BASE], identity=json.loads(image.labels[LABEL_IDENTITY])
    )


def ensure(engine: DockerEngine, recipe: Recipe, folder: Path) -> ToolchainImage:
    """The image of a recipe, built if it is not there; the logs go below the folder.

    Raises:
        ImageError: it cannot be built; says why and what to do.
    """
    return find(engine.client, recipe) or build(engine, recipe, folder)


def build(engine: DockerEngine, recipe: Recipe, folder: Path) -> ToolchainImage:
    """Builds the image of a recipe. Nothing carries its label before it is finished.

    Raises:
        ImageError: it cannot be built; says why and what to do.
    """
    client = engine.client
    logs = folder / "build" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    try:
        base, origin = _base(engine, recipe, folder, logs)
        with tempfile.TemporaryDirectory(prefix="cvimake-") as name:
            context = Path(name)
            _fill_context(context, recipe)
            raw = _build(
                client,
                recipe,
                logs,
                path=str(context),
                dockerfile=recipe.files[0],
                buildargs={"BASE": base, **_client_settings()},
                labels={LABEL_PARTIAL: "1"},
                network_mode="host",
                platform=engine.platform,
            )
        what = "image" if recipe.what == Recipe.what else f"{recipe.what} image"
        identity = identify(engine, raw, folder, steps=recipe.identity_steps, what=what)
        finished = _label(engine, raw, recipe, origin, identity)
    except docker.errors.DockerException as error:
        raise ImageError(f"the {recipe.what} image cannot be built: {error}") from error
    # What was on the way to it is not needed again.
    client.images.prune(filters={"dangling": True, "label": LABEL_PARTIAL})
    return ToolchainImage(id=str(finished.id), base=origin, identity=identity)


def _base(engine: DockerEngine, recipe: Recipe, folder: Path, logs: Path) -> tuple[str, str]:
    """What an image is made on, by the engine's name for it, and where that came from."""
    if not isinstance(recipe, FrameworksRecipe):
        base, origin = find_or_make(engine.client, recipe.base, logs, engine.platform)
        return str(base.id), origin
    toolchain_image = ensure(engine, Recipe(base=recipe.base, wheel=recipe.wheel), folder)
    return toolchain_image.id, toolchain_image.base


def _fill_context(context: Path, recipe: Recipe) -> None:
    """The files that the Dockerfile copies: pins, this machine's certificates, the user's wheel."""
    for name in recipe.files:
        shutil.copy(docker_folder() / name, context)
    named = next(
        (Path(path) for name in _CERTIFICATES if (path := os.environ.get(name))), _SYSTEM_CERTIFICATES
    )
    if named.is_file():
        shutil.copy(named, context / "certificates.crt")
    else:
        (context / "certificates.crt").touch()
    (context / "wheels").mkdir()
    if recipe.wheel:
        shutil.copy(recipe.wheel, context / "wheels")


def _client_settings() -> dict[str, str]:
    """What this machine's pip and proxies are set to, for the build alone."""
    settings = {name: value for name in _PROXIES if (value := os.environ.get(name))}
    configured = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    for key in ("index-url", "extra-index-url", "trusted-host"):
        # The last one wins, as for pip itself: files first, then the environment.
        found = re.findall(rf"^(?:global|install|:env:)\.{key}='(.*)'$", configured, re.MULTILINE)
        # An index in a folder of this machine cannot be seen from the container.
        urls = [url for url in found[-1].split() if not url.startswith("file:")] if found else []
        if urls:
            settings[f"PIP_{key.replace('-', '_').upper()}"] = " ".join(urls)
    return settings


def identify(
    engine: Engine,
    image: str,
    folder: Path,
    *records: str,
    steps: Sequence[str] = Recipe.identity_steps,
    what: str = "image",
) -> dict[str, Any]:
    """What computes in an image, found out by running it.

    Args:
        engine: that has it.
        image: its name for it.
        folder: the project's.
        records: the folder with pip's reports, where it is not an image's own.
        steps: the program that finds it out, and what that imports.
        what: people call it.
    """
    scripts = [step(name) for name in steps]
    with tempfile.TemporaryDirectory(prefix="cvimake-") as name:
        result = Path(name) / "identity.json"
        action = Action(
            name=f"{what.replace(' ', '_')}:identity",
            argv=(*toolchain.DETERMINISTIC, "python3", scripts[0].name, result.name, *records),
            environment=toolchain.environment(),
            inputs=tuple(Input(name=script.name, path=script) for script in scripts),
            outputs=(Output(name=result.name, path=result, kind=FileKind.JSON),),
            limits=Limits(seconds=1800.0),
        )
        with announce.step(f"asking the {what} what it computes with"):
            Sandbox(root=folder, engine=engine, image=image).run(action)
        identity: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return identity


def _label(engine: DockerEngine, raw: str, recipe: Recipe, origin: str, identity: Mapping[str, Any]) -> Image:
    """The finished image: the built one, with its identity on it, under its name."""
    image, _ = engine.client.images.build(
        fileobj=io.BytesIO(f"FROM {raw}\n".encode()),
        labels={
            LABEL_RECIPE: recipe.digest(),
            LABEL_IDENTITY: json.dumps(identity, sort_keys=True),
            LABEL_BASE: origin,
            # A label is inherited; this one no longer holds.
            LABEL_PARTIAL: "",
        },
        rm=True,
        platform=engine.platform,
    )
    version = identity["packages"]["tpu-mlir"]["version"]
    name = recipe.digest()[:8]
    image.tag(
        REPOSITORY, f"{version}-{name}" if recipe.what == Recipe.what else f"{version}-{recipe.what}-{name}"
    )
    return image


def _build(client: docker.DockerClient, recipe: Recipe, logs: Path, **arguments: Any) -> str:  # noqa: ANN401 - the SDK's
    """Runs one `docker build` through the API, its output to a log; returns the image's id."""
    image, stage = "", ""
    log_path = logs / LOGS[recipe.what]
    what = f"building the {recipe.what} image ({_MINUTES[recipe.what]})"
    with announce.step(what) as show, log_path.open("w", encoding="utf-8") as log:
        for message in client.api.build(decode=True, rm=True, forcerm=True, **arguments):
            if text := message.get("stream", ""):
                log.write(text)
                log.flush()
                if found := re.match(r"Step (\d+/\d+) :", text):
                    stage = found[1]
                show(f"step {stage}: {text.strip()[:60]}")
            if error := message.get("error"):
                log.write(error)
                log.flush()
                last_lines = log_path.read_text(encoding="utf-8").splitlines()[-_LAST_LINES:]
                raise ImageError(
                    f"building the {recipe.what} image failed",
                    "\n".join([*last_lines, f"The whole log: {log_path}"]),
                )
            image = message.get("aux", {}).get("ID") or image
    if not image:
        raise ImageError("the engine built an image and did not say which", f"Its log: {log_path}")
    return image
