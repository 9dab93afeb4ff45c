"""The images that steps run in: found by their recipes, or built, and told apart by what computes in them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker.errors
import requests.exceptions
from docker.models.images import Image

import docker
from cvimake.core import announce, digest, lock, process, tail
from cvimake.core.errors import ImageError
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import build_context, partial_images
from cvimake.execution.image.base import LABEL_BASE, find_or_make
from cvimake.execution.image.fingerprint import LISTING, RECORDS, Identified, identify
from cvimake.execution.image.recipe import FrameworksRecipe, Recipe
from cvimake.execution.sandbox import Sandbox

REPOSITORY = "cvimake/tpu_mlir"
LABEL_RECIPE = "cvimake.recipe"
LABEL_IDENTITY = "cvimake.identity"
# Where the output of their builds goes, in the folder of logs.
LOGS = {Recipe.what: "image.log", FrameworksRecipe.what: "frameworks.log"}
# How long building one takes, on two cores.
_MINUTES = {Recipe.what: "about 3 minutes", FrameworksRecipe.what: "about 2 minutes"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToolchainImage:
    """An image that steps can run in.

    Attributes:
        id: the engine's name for it; differs from machine to machine.
        base: where its base came from, for people.
        identity: what computes in it; see `toolchain/container/toolchain_identity.py`.
        records: where the list of its files is, as a step sees it.
    """

    id: str
    base: str
    identity: Mapping[str, Any]
    records: str = RECORDS

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
    return find(engine.client, recipe) or build(engine, recipe, folder, anew=False)


def build(engine: DockerEngine, recipe: Recipe, folder: Path, *, anew: bool = True) -> ToolchainImage:
    """Builds the image of a recipe. Nothing carries its label before it is finished.

    Two at once in one project take turns.

    Args:
        engine: that is to have it.
        recipe: of the image.
        folder: the project's; the logs go below it.
        anew: also where the image is there, which may have been built while we waited for our turn.

    Raises:
        ImageError: it cannot be built; says why and what to do.
    """
    logs = folder / "build" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    turn = folder / "build" / f".{recipe.what}.lock"
    with lock.exclusive(turn, f"is building the {recipe.what} image in this project"):
        if not anew and (found := find(engine.client, recipe)):
            return found
        try:
            partial_images.remove_abandoned(engine.client)
            return _build(engine, recipe, folder, logs)
        except docker.errors.DockerException as error:
            raise ImageError(f"the {recipe.what} image cannot be built: {error}") from error
        finally:
            # Not in the place of the error that says why there is no image.
            with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
                partial_images.remove_own(engine.client)


def _build(engine: DockerEngine, recipe: Recipe, folder: Path, logs: Path) -> ToolchainImage:
    base, origin = _base(engine, recipe, folder, logs)
    with tempfile.TemporaryDirectory(prefix="cvimake-") as name:
        context = Path(name)
        build_context.fill(context, recipe)
        raw = _run_build(
            engine.client,
            recipe,
            logs,
            path=str(context),
            dockerfile=recipe.files[0],
            buildargs={"BASE": base, "CVIMAKE_PARTIAL": process.mark(), **build_context.proxies()},
            labels={partial_images.LABEL: process.mark()},
            network_mode="host",
            platform=engine.platform,
        )
        what = "image" if recipe.what == Recipe.what else f"{recipe.what} image"
        sandbox = Sandbox(root=folder, engine=engine, image=raw)
        identified = identify(sandbox, programs=recipe.identity_programs, what=what)
        finished = _label(engine, raw, recipe, origin, identified)
    return ToolchainImage(id=str(finished.id), base=origin, identity=identified.identity)


def _base(engine: DockerEngine, recipe: Recipe, folder: Path, logs: Path) -> tuple[str, str]:
    """What an image is made on, by the engine's name for it, and where that came from."""
    if not isinstance(recipe, FrameworksRecipe):
        base, origin = find_or_make(engine.client, recipe.base, logs, engine.platform)
        return str(base.id), origin
    toolchain_image = ensure(engine, Recipe(base=recipe.base, wheel=recipe.wheel), folder)
    return toolchain_image.id, toolchain_image.base


def _label(engine: DockerEngine, raw: str, recipe: Recipe, origin: str, identified: Identified) -> Image:
    """The finished image: the built one, its identity and the list of its files on it, under its name."""
    files = {
        "Dockerfile": f"FROM {raw}\nCOPY {LISTING} {RECORDS}/\n".encode(),
        LISTING: identified.listing.encode(),
    }
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                archive.addfile(member, io.BytesIO(content))
        context.seek(0)
        image, _ = engine.client.images.build(
            fileobj=context,
            custom_context=True,
            labels={
                LABEL_RECIPE: recipe.digest(),
                LABEL_IDENTITY: json.dumps(identified.identity, sort_keys=True),
                LABEL_BASE: origin,
                # A label is inherited; this one no longer holds.
                partial_images.LABEL: "",
            },
            rm=True,
            platform=engine.platform,
        )
    version = identified.identity["packages"]["tpu-mlir"]["version"]
    name = recipe.digest()[:8]
    image.tag(
        REPOSITORY, f"{version}-{name}" if recipe.what == Recipe.what else f"{version}-{recipe.what}-{name}"
    )
    return image


def _run_build(client: docker.DockerClient, recipe: Recipe, logs: Path, **arguments: Any) -> str:  # noqa: ANN401 - the SDK's
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
                raise ImageError(f"building the {recipe.what} image failed", tail.end_of(log_path))
            image = message.get("aux", {}).get("ID") or image
    if not image:
        raise ImageError("the engine built an image and did not say which", f"Its log: {log_path}")
    return image
