"""Where a command runs that has no container: a folder of its own, with copies of all that it reads."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.removal import remove_tree
from cvimake.execution.engine import PLACE, PLACE_PREFIX, Command


@dataclass(frozen=True)
class Place:
    """The folders of one command.

    Attributes:
        files: its working directory.
        temporary: its folder for temporary files.
        folders: the real paths of the folders that it expects elsewhere, by the paths that it expects.
    """

    files: Path
    temporary: Path
    folders: dict[str, Path]

    def translate(self, argv: Sequence[str]) -> list[str]:
        """Return a command line with the real paths of the folders."""
        return [self._translated(part) for part in argv]

    def _translated(self, text: str) -> str:
        for expected, real in self.folders.items():
            text = text.replace(f"={expected}", f"={real}")
        return text


@contextlib.contextmanager
def made_for(command: Command) -> Iterator[Place]:
    """Make a place with copies of all that a command reads, and remove it afterwards.

    For root it is outside of the project: the command's user may not be able to enter the project.
    """
    beside = command.host_folder.parent
    within = "/var/tmp" if os.geteuid() == 0 else beside  # noqa: S108 - a random name
    root = Path(tempfile.mkdtemp(prefix=PLACE_PREFIX, dir=within))
    note = beside / PLACE
    try:
        note.symlink_to(root)
        os.chown(root, *command.user)
        files, temporary = root / "files", root / "tmp"
        files.mkdir()
        temporary.mkdir()
        folders = {target: root / target.strip("/") for target in command.folders}
        for target, source in command.folders.items():
            shutil.copytree(source, folders[target])
        for name, source in command.inputs.items():
            shutil.copyfile(source, files / name)
            _name_folders(files / name, folders)
            (files / name).chmod(0o444)
        yield Place(files, temporary, folders)
    finally:
        with contextlib.suppress(OSError):
            remove_tree(root)
        note.unlink(missing_ok=True)


def _name_folders(file: Path, folders: dict[str, Path]) -> None:
    """Put the real paths of the folders into a list of samples."""
    if file.suffix == ".txt" and folders:
        text = file.read_text(encoding="utf-8")
        for expected, real in folders.items():
            text = text.replace(f"{expected}/", f"{real}/")
        file.write_text(text, encoding="utf-8")
