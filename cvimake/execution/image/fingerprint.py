"""Takes an image's fingerprint by running the image, and compares the two again when the image is used."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvimake.core import announce, listing
from cvimake.core.action import Action, FileKind, Input, Limits, Output, Text
from cvimake.core.errors import ImageError, StageFailedError
from cvimake.core.resources import container_program
from cvimake.execution.image.recipe import FILES_PROGRAM, Recipe
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain import commands

# The folder in an image that holds pip's reports and the list of files.
RECORDS = "/opt/cvimake"
LISTING = "files.sha256"
# A message names this many damaged files.
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Identified:
    """The fingerprint of an image.

    Attributes:
        identity: what computes in the image; see `toolchain/container/toolchain_identity.py`.
        listing: the files that are part of it; see `toolchain/container/installed_files.py`.
    """

    identity: dict[str, Any]
    listing: str


def identify(
    sandbox: Sandbox,
    *records: str,
    programs: Sequence[str] = Recipe.identity_programs,
    what: str = "image",
    environment: Mapping[str, str] | None = None,
) -> Identified:
    """Take the fingerprint of an image.

    Args:
        sandbox: runs actions in the image.
        records: the folder with pip's reports; none for the usual one of an image.
        programs: the names of the container program that takes it, and of those that this program imports.
        what: the image's name in messages.
        environment: the variables that a tool sees in it; None for those of the toolchain.
    """
    scripts = [container_program(name) for name in programs]
    with tempfile.TemporaryDirectory(prefix="cvimake-") as name:
        result, listing = Path(name) / "identity.json", Path(name) / LISTING
        action = Action(
            name=f"{what.replace(' ', '_')}:identity",
            argv=(*commands.DETERMINISTIC, "python3", scripts[0].name, result.name, LISTING, *records),
            environment=environment or commands.environment(),
            inputs=tuple(Input(name=script.name, path=script) for script in scripts),
            outputs=(
                Output(name=result.name, path=result, kind=FileKind.JSON),
                Output(name=LISTING, path=listing, kind=FileKind.TEXT),
            ),
            limits=Limits(seconds=1800.0),
        )
        with announce.step(f"reading the fingerprint of the {what}"):
            sandbox.run(action)
        return Identified(
            identity=json.loads(result.read_text(encoding="utf-8")),
            listing=listing.read_text(encoding="utf-8"),
        )


def check(
    sandbox: Sandbox,
    identity: Mapping[str, Any],
    records: str = RECORDS,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Compare a sample of an image's files with those in its fingerprint.

    Args:
        sandbox: runs actions in the image.
        identity: the image's fingerprint.
        records: the folder with the list of its files.
        environment: the variables that a tool sees in it; None for those of the toolchain.

    Raises:
        ImageError: a file is missing or has changed.
    """
    remedy = f"Remove it and start again; it is then made anew: {sandbox.engine.removal(sandbox.image)}"
    program = container_program(FILES_PROGRAM)
    expected = Text(name="digests.json", text=json.dumps(identity["files"]))
    with tempfile.TemporaryDirectory(prefix="cvimake-") as name:
        result = Path(name) / "changed.json"
        command = ("python3", program.name, f"{records}/{LISTING}", expected.name, result.name)
        action = Action(
            name="image:check",
            argv=(*commands.DETERMINISTIC, *command),
            environment=environment or commands.environment(),
            inputs=(Input(name=program.name, path=program),),
            outputs=(Output(name=result.name, path=result, kind=FileKind.JSON),),
            texts=(expected,),
            limits=Limits(seconds=300.0),
        )
        try:
            sandbox.run(action)
        except StageFailedError as error:
            raise ImageError(
                "the toolchain cannot be compared with its list of files", f"{error}\n{remedy}"
            ) from error
        changed = json.loads(result.read_text(encoding="utf-8"))
    if changed:
        raise ImageError(
            "the toolchain differs from the one that was built. These files are missing or have changed: "
            f"{listing.line(changed, _MOST_NAMED)}",
            remedy,
        )
