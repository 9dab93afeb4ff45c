"""How files get into a container and out of it."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shlex
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Protocol

import docker.errors
from docker.models.containers import Container
from docker.types import Mount as DockerMount

from cvimake.execution.engine import Command, Mount
from cvimake.execution.engine.watch import Usage, deleted, of_container, of_folder

_READ_SIZE = 1024 * 1024
# Prints how many bytes the files below a container's working directory take, and how many there are.
_LOOK = "du -s --block-size=1 . 2>/dev/null; du -s --inodes . 2>/dev/null"
# What goes into an archive, and the file with its contents; None for a folder.
_Member = tuple[tarfile.TarInfo, Path | None]


class Files(Protocol):
    """One way of getting them there.

    Attributes:
        seconds_between_looks: at how much the files take.
    """

    seconds_between_looks: float

    def mounts(self, command: Command) -> list[DockerMount]:
        """What a new container has mounted."""
        ...

    def send(self, command: Command, container: Container) -> None:
        """Brings the inputs in, before the command starts."""
        ...

    def look(self, command: Command, container: Container) -> Usage | None:
        """How much the files in its working directory take; None where that could not be found out."""
        ...

    def fetch(self, command: Command, container: Container) -> None:
        """Brings the results that there are to the host's working directory, after it has ended."""
        ...

    def by_hand(self, command: Command, arguments: str, workspace: str) -> str:
        """A shell command that does the same.

        Args:
            command: what runs.
            arguments: shell text for `docker run`, all but the files and the command.
            workspace: shell text for the host's working directory.
        """
        ...


class BindMounts:
    """The engine sees our file system: nothing travels."""

    seconds_between_looks = 1.0

    def mounts(self, command: Command) -> list[DockerMount]:
        """See `Files.mounts`."""
        return [
            DockerMount(target=mount.target, source=str(mount.source), type="bind", read_only=mount.read_only)
            for mount in command.mounts
        ]

    def send(self, command: Command, container: Container) -> None:
        """Everything is there."""

    def look(self, command: Command, container: Container) -> Usage | None:
        """See `Files.look`. A file that was deleted while it is open still takes its room."""
        folder = command.host_folder
        usage = of_folder(folder, command.limits)
        device = folder.stat().st_dev
        container.reload()
        processes = of_container(int(container.attrs["State"]["Pid"]))
        return replace(usage, size=usage.size + deleted(processes, device))

    def fetch(self, command: Command, container: Container) -> None:
        """Everything is here."""

    def by_hand(self, command: Command, arguments: str, workspace: str) -> str:
        """See `Files.by_hand`."""
        words = ["docker run --rm", arguments]
        for mount in command.mounts:
            if mount.target == command.working_directory:
                words += ["--mount", f'"type=bind,src={workspace},dst={mount.target}"']
            else:
                words += ["--mount", shlex.quote(_mount_text(mount))]
        return " ".join([*words, _image_and_command(command)])


class Archives:
    """The engine is on another machine: files travel through its API, to and from anonymous volumes.

    An input is root's there and closed to writing, as a read-only mount would be.
    """

    # Each look starts a process in the container.
    seconds_between_looks = 5.0

    def mounts(self, command: Command) -> list[DockerMount]:
        """See `Files.mounts`."""
        return [DockerMount(target=target, source=None, type="volume") for target in self._volumes(command)]

    def send(self, command: Command, container: Container) -> None:
        """See `Files.send`."""
        with self._archive(command, _workspace_members(command.inputs)) as archive:
            container.put_archive(command.working_directory, archive)
        for target, source in command.folders.items():
            with self._archive(command, _folder_members(source)) as archive:
                container.put_archive(target, archive)

    def look(self, command: Command, container: Container) -> Usage | None:
        """See `Files.look`."""
        try:
            _, output = container.exec_run(
                ["sh", "-c", _LOOK],
                environment={"LD_PRELOAD": ""},
                workdir=command.working_directory,
                user=f"{command.user[0]}:{command.user[1]}",
            )
            # All at once, since it is not asked for as a stream.
            assert isinstance(output, bytes)  # noqa: S101 - for the types
            size, files = (int(line.split()[0]) for line in output.splitlines()[-2:])
        except (docker.errors.APIError, ValueError):
            # It has ended in the meantime, or has no process left for this.
            return None
        # Of the inputs there are the copies.
        return Usage(size - sum(path.stat().st_size for path in command.inputs.values()), files)

    def fetch(self, command: Command, container: Container) -> None:
        """See `Files.fetch`. What is no plain file is left there, and so missing here."""
        for name in command.results:
            try:
                chunks, _ = container.get_archive(f"{command.working_directory}/{name}", _READ_SIZE)
            except docker.errors.NotFound:
                continue
            with tarfile.open(fileobj=_Chunks(chunks), mode="r|") as archive:
                member = archive.next()
                content = archive.extractfile(member) if member and member.isreg() else None
                if content is None:
                    continue
                with (command.host_folder / name).open("xb") as file:
                    while chunk := content.read(_READ_SIZE):
                        file.write(chunk)

    def by_hand(self, command: Command, arguments: str, workspace: str) -> str:
        """See `Files.by_hand`."""
        volumes = " ".join(f"--volume {shlex.quote(target)}" for target in self._volumes(command))
        folders = [
            f'docker cp {shlex.quote(str(source))}/. "$C:{target}"'
            for target, source in command.folders.items()
        ]
        create = f"C=$(docker create {arguments} {volumes} {_image_and_command(command)})"
        # Without -a, which has Docker 20.10 ask for the user's name, and a number has none.
        send = f'docker cp "{workspace}"/. "$C:{command.working_directory}"'
        start = " && ".join([send, *folders, 'docker start -a "$C"'])
        fetch = f'docker cp "$C:{command.working_directory}/." "{workspace}"'
        return " && ".join(
            [*command.copies(workspace), create, f'{{ {start}; {fetch}; docker rm -f -v "$C"; }}']
        )

    @staticmethod
    def _volumes(command: Command) -> list[str]:
        return [command.working_directory, *command.folders]

    @staticmethod
    @contextlib.contextmanager
    def _archive(command: Command, members: Iterable[_Member]) -> Iterator[BinaryIO]:
        """An archive, on the project's disk: references can have hundreds of MB."""
        with tempfile.TemporaryFile(dir=command.host_folder.parent) as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for member, path in members:
                    if path is None:
                        archive.addfile(member)
                        continue
                    with path.open("rb") as content:
                        member.size = os.fstat(content.fileno()).st_size
                        archive.addfile(member, content)
            file.seek(0)
            yield file


def _workspace_members(inputs: Mapping[str, Path]) -> Iterator[_Member]:
    for name, source in inputs.items():
        yield _read_only(name), source


def _folder_members(folder: Path) -> Iterator[_Member]:
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            yield member, None
        else:
            yield _read_only(name), path


def _read_only(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = 0o444
    return member


class _Chunks(io.RawIOBase):
    """A stream of pieces as a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._rest = self._rest or next(filter(None, self._chunks), b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _image_and_command(command: Command) -> str:
    workdir = shlex.quote(command.working_directory)
    return f"--workdir {workdir} --entrypoint '' {command.image} {shlex.join(command.argv)}"


def _mount_text(mount: Mount) -> str:
    """A value of `--mount`, which is a line of comma-separated values."""
    fields = ["type=bind", f"src={mount.source}", f"dst={mount.target}"]
    if mount.read_only:
        fields.append("readonly")
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()
