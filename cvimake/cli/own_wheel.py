"""Make the wheel of the running cvimake, for a project that is to use this one and no other."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

from cvimake import __version__
from cvimake.core import digest, resources
from cvimake.core.errors import CvimakeError

NAME = "cvimake"
# A project's folder for the wheel, and the lock file in it.
FOLDER = ".cvimake"
LOCK = "requirements.txt"
_LOCK = """\
# The cvimake of this project. Only a wheel with this hash is installed: the one beside this file, or where
# there is none, the same from a package index.
{name}=={version} --hash=sha256:{sha256}
"""
# An installer writes these files itself.
_OF_INSTALLATION = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


def put_into(project: Path) -> None:
    """Put the wheel and its lock file into a project, in the place of older ones.

    Raises:
        CvimakeError: the wheel cannot be built.
    """
    folder = project / FOLDER
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    if checkout := resources.checkout():
        _build(checkout, folder)
    else:
        _pack(importlib.metadata.distribution(NAME), folder)
    (wheel,) = folder.glob("*.whl")
    lock = _LOCK.format(name=NAME, version=__version__, sha256=digest.of_file(wheel))
    (folder / LOCK).write_text(lock, encoding="utf-8")


def _build(checkout: Path, folder: Path) -> None:
    command = [
        sys.executable, "-I", "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder),
    ]  # fmt: skip
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise CvimakeError("cvimake's own wheel cannot be built", result.stderr.strip())


def _pack(installed: importlib.metadata.Distribution, folder: Path) -> None:
    """Make the wheel again from which a distribution was installed."""
    files = sorted(
        str(file)
        for file in installed.files or ()
        if ".." not in file.parts and file.suffix != ".pyc" and file.name not in _OF_INSTALLATION
    )
    (information,) = {
        name.partition("/")[0] for name in files if name.partition("/")[0].endswith(".dist-info")
    }
    record = ""
    path = folder / f"{information.removesuffix('.dist-info')}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in files:
            content = Path(str(installed.locate_file(name))).read_bytes()
            sha256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={sha256},{len(content)}\n"
            # The time is always the same, so that equal contents make an equal wheel.
            wheel.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        record += f"{information}/RECORD,,\n"
        wheel.writestr(zipfile.ZipInfo(f"{information}/RECORD"), record, zipfile.ZIP_DEFLATED)
