"""Finds the images that stages run in by their recipes, or builds them, and labels them with fingerprints."""

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
from cvimake.core import announce, digest, lock, log_tail, process
from cvimake.core.errors import ImageError
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import build_context, partial_images
from cvimake.execution.image.base import LABEL_BASE, find_or_make
from cvimake.execution.image.fingerprint import LISTING, RECORDS, Identified, identify
from cvimake.execution.image.recipe import ExportRecipe, FrameworksRecipe, Recipe
from cvimake.execution.sandbox import Sandbox

REPOSITORY = "cvimake/tpu_mlir"
LABEL_RECIPE = "cvimake.recipe"
LABEL_IDENTITY = "cvimake.identity"
# The words of pip where it reaches no package index, or an index without the package.
_NO_PACKAGE = ("Could not find a version", "Max retries exceeded", "No matching distribution")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToolchainImage:
    """An image that stages can run in.

    Attributes:
        id: the engine's name for it; differs from machine to machine.
        base: where its base came from, in words.
        identity: what computes in it; see `toolchain/container/toolchain_identity.py`.
        records: the folder with the list of its files, as a stage sees it.
    """

    id: str
    base: str
    identity: Mapping[str, Any]
    records: str = RECORDS

    @property
    def fingerprint(self) -> str:
        """Return the identity as one digest: equal on every machine for equal contents."""
        return digest.of_value(self.identity)


def find(client: docker.DockerClient, recipe: Recipe) -> ToolchainImage | None:
    """Return the newest finished image of a recipe; None if there is none."""
    images = client.images.list(REPOSITORY, filters={"label": f"{LABEL_RECIPE}={recipe.digest()}"})
    # An image that somebody builds on a finished one inherits its labels, but not its name.
    finished = [image for image in images if LABEL_IDENTITY in image.labels]
    if not finished:
        return None
    image = max(finished, key=lambda image: str(image.attrs["Created"]))
    return ToolchainImage(
        id=str(image.id), base=image.labels[LABEL_BASE], identity=json.loads(image.labels[LABEL_IDENTITY])
    )


def ensure(
    engine: DockerEngine, recipe: Recipe, folder: Path, environment: Mapping[str, str]
) -> ToolchainImage:
    """Return the image of a recipe; build it if it is missing. The logs go below the folder.

    Raises:
        ImageError: it cannot be built; says why and what to do.
    """
    return find(engine.client, recipe) or build(engine, recipe, folder, environment, anew=False)


def build(
    engine: DockerEngine, recipe: Recipe, folder: Path, environment: Mapping[str, str], *, anew: bool = True
) -> ToolchainImage:
    """Build the image of a recipe. No image has the recipe's label before it is finished.

    Two processes in one project take turns.

    Args:
        engine: the engine that is to have the image.
        recipe: the image's recipe.
        folder: the project's folder; the logs go below it.
        environment: the variables that cvimake was started with.
        anew: build it even if it is there. Another process may have built it while we waited for our turn.

    Raises:
        ImageError: it cannot be built; says why and what to do.
    """
    _logs(folder).mkdir(parents=True, exist_ok=True)
    turn = folder / "build" / f".{recipe.what}.lock"
    with lock.exclusive(turn, f"is building the {recipe.what} image in this project"):
        if not anew and (found := find(engine.client, recipe)):
            return found
        try:
            partial_images.remove_abandoned(engine.client)
            return _build(engine, recipe, folder, environment)
        except docker.errors.DockerException as error:
            raise ImageError(f"the {recipe.what} image cannot be built: {error}") from error
        finally:
            # An error of the removal must not hide the error that says why there is no image.
            with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
                partial_images.remove_own(engine.client)


def _build(
    engine: DockerEngine, recipe: Recipe, folder: Path, environment: Mapping[str, str]
) -> ToolchainImage:
    if recipe.notice:
        announce.note(recipe.notice)
    base, origin = _base(engine, recipe, folder, environment)
    with tempfile.TemporaryDirectory(prefix="cvimake-") as name:
        context = Path(name)
        build_context.fill(context, recipe, environment)
        raw = _run_build(
            engine.client,
            recipe,
            _logs(folder),
            path=str(context),
            dockerfile=recipe.files[0],
            buildargs={"BASE": base, "CVIMAKE_PARTIAL": process.mark(), **build_context.proxies(environment)},
            labels={partial_images.LABEL: process.mark()},
            network_mode="host",
            platform=engine.platform,
        )
        what = "image" if recipe.what == Recipe.what else f"{recipe.what} image"
        sandbox = Sandbox(root=folder, engine=engine, image=raw)
        identified = identify(
            sandbox, programs=recipe.identity_programs, what=what, environment=recipe.environment()
        )
        finished = _label(engine, raw, recipe, origin, identified)
    return ToolchainImage(id=str(finished.id), base=origin, identity=identified.identity)


def _logs(folder: Path) -> Path:
    """Return the folder of a project's logs."""
    return folder / "build" / "logs"


def _base(
    engine: DockerEngine, recipe: Recipe, folder: Path, environment: Mapping[str, str]
) -> tuple[str, str]:
    """Return the engine's name of the image that an image is made on, and where that one came from."""
    if not isinstance(recipe, FrameworksRecipe):
        base, origin = find_or_make(engine.client, recipe.base, _logs(folder), environment, engine.platform)
        return str(base.id), origin
    toolchain_recipe = Recipe(base=recipe.base, wheel=recipe.wheel)
    toolchain_image = ensure(engine, toolchain_recipe, folder, environment)
    return toolchain_image.id, toolchain_image.base


def _label(engine: DockerEngine, raw: str, recipe: Recipe, origin: str, identified: Identified) -> Image:
    """Return the finished image: the built one with its fingerprint and the list of its files, and a name."""
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
                # The label is inherited from the built image, and this one is finished.
                partial_images.LABEL: "",
            },
            rm=True,
            platform=engine.platform,
        )
    version = identified.identity["packages"][recipe.package]["version"]
    name = recipe.digest()[:8]
    image.tag(
        REPOSITORY, f"{version}-{name}" if recipe.what == Recipe.what else f"{version}-{recipe.what}-{name}"
    )
    return image


def _run_build(client: docker.DockerClient, recipe: Recipe, logs: Path, **arguments: Any) -> str:  # noqa: ANN401 - the SDK's
    """Run one `docker build` through the API, with its output in a log; return the image's id."""
    image, stage = "", ""
    log_path = logs / recipe.log
    what = f"building the {recipe.what} image ({recipe.duration})"
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
                raise ImageError(f"building the {recipe.what} image failed", _remedy(recipe, log_path))
            image = message.get("aux", {}).get("ID") or image
    if not image:
        raise ImageError("the engine built an image and did not return its id", f"Its log: {log_path}")
    return image


def _remedy(recipe: Recipe, log: Path) -> str:
    """Return the end of a log; before it the packages that are needed, if the exporter's were not found."""
    end = log_tail.end_of(log)
    text = log.read_text(encoding="utf-8", errors="replace")
    if not isinstance(recipe, ExportRecipe) or not any(words in text for words in _NO_PACKAGE):
        return end
    return (
        "It needs a package index with these wheels for Python 3.10 on x86-64: "
        f"{', '.join(recipe.wheels())}. Start again with a network, or name an index that has them "
        f"(PIP_INDEX_URL=https://... ./doit image --export).\n{end}"
    )
