"""Brings files into a container and out of it."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

import docker.errors
from docker.models.containers import Container
from docker.types import Mount as DockerMount

from cvimake.execution.engine import Command, Mount, whole_folder
from cvimake.execution.engine.watch import Usage, deleted, of_container, of_folder

_READ_SIZE = 1024 * 1024
# Prints how many bytes the files in a container's working directory take, and how many files there are.
_LOOK = "du -s --block-size=1 . 2>/dev/null; du -s --inodes . 2>/dev/null"
# A member of an archive, and the file with its contents; None for a folder.
_Member = tuple[tarfile.TarInfo, Path | None]


class Files(Protocol):
    """One way to bring files in and out.

    Attributes:
        seconds_between_looks: how often one can look how much room the files take.
    """

    seconds_between_looks: float

    def mounts(self, command: Command) -> list[DockerMount]:
        """Return the mounts of a new container."""

    def send(self, command: Command, container: Container) -> None:
        """Bring the inputs in, before the command starts."""

    def look(self, command: Command, container: Container) -> Usage | None:
        """Return how much room the files in its working directory take; None where that is not known."""

    def seen_folder(self, command: Command) -> Path | None:
        """Return this machine's folder that is the working directory; None if it is a copy elsewhere."""

    def fetch(self, command: Command, container: Container) -> None:
        """Bring the results to the host's working directory, after the command has ended.

        Results that the command did not write are passed over.
        """

    def fetch_parts(self, command: Command, container: Container) -> None:
        """Bring the parts of its work to the host's working directory, after the command has ended."""

    def send_folder(self, command: Command, container: Container) -> None:
        """Bring everything else in the host's working directory in, before the command starts."""
        ...

    def fetch_folder(self, command: Command, container: Container) -> None:
        """Replace the host's working directory by the container's, after the command has ended."""
        ...

    def by_hand(self, command: Command, arguments: str, workspace: str) -> str:
        """Return a shell command that does the same as a command.

        Args:
            command: the command.
            arguments: the arguments of `docker run` as shell text, without the files and the command.
            workspace: the host's working directory as shell text.
        """


class BindMounts:
    """For an engine that sees our file system: files stay where they are."""

    seconds_between_looks = 1.0

    def mounts(self, command: Command) -> list[DockerMount]:
        """See `Files.mounts`."""
        return [
            DockerMount(target=mount.target, source=str(mount.source), type="bind", read_only=mount.read_only)
            for mount in command.mounts
        ]

    def send(self, command: Command, container: Container) -> None:
        """Do nothing: the container sees the inputs."""

    def look(self, command: Command, container: Container) -> Usage | None:
        """See `Files.look`. A file that was deleted while it is open still takes room."""
        folder = command.host_folder
        usage = of_folder(folder, command.limits)
        device = folder.stat().st_dev
        container.reload()
        processes = of_container(int(container.attrs["State"]["Pid"]))
        return replace(usage, size=usage.size + deleted(processes, device))

    def seen_folder(self, command: Command) -> Path:
        """See `Files.seen_folder`."""
        return command.host_folder

    def fetch(self, command: Command, container: Container) -> None:
        """Do nothing: the results are in the host's working directory already."""

    def fetch_parts(self, command: Command, container: Container) -> None:
        """Do nothing: they are in the host's working directory already."""

    def send_folder(self, command: Command, container: Container) -> None:
        """Do nothing: the container sees the folder."""

    def fetch_folder(self, command: Command, container: Container) -> None:
        """Do nothing: the container has written to the host's folder."""

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
    """For an engine on another machine: files go through its API to anonymous volumes, and come back so.

    An input belongs to root there and is closed to writing, as a read-only mount would be.
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
            assert isinstance(output, bytes)  # noqa: S101 - for the types: it was not asked for as a stream
            size, files = (int(line.split()[0]) for line in output.splitlines()[-2:])
        except (docker.errors.APIError, ValueError):
            # The container has ended in the meantime, or may start no more processes.
            return None
        # The inputs lie there as copies, which do not count.
        return Usage(size - sum(path.stat().st_size for path in command.inputs.values()), files)

    def seen_folder(self, command: Command) -> None:
        """See `Files.seen_folder`."""

    def fetch(self, command: Command, container: Container) -> None:
        """See `Files.fetch`. Anything but a plain file stays there, and is then missing here."""
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
                    shutil.copyfileobj(content, file)

    def fetch_parts(self, command: Command, container: Container) -> None:
        """See `Files.fetch_parts`. Only plain files are taken."""
        folder = command.host_folder / command.parts
        chunks, _ = container.get_archive(f"{command.working_directory}/{command.parts}", _READ_SIZE)
        with tarfile.open(fileobj=_Chunks(chunks), mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                name = PurePosixPath(member.name).name
                if content and name not in {"", ".."}:
                    folder.mkdir(exist_ok=True)
                    with (folder / name).open("xb") as file:
                        shutil.copyfileobj(content, file)

    def send_folder(self, command: Command, container: Container) -> None:
        """See `Files.send_folder`."""
        held = whole_folder.members(command.host_folder, command.inputs, command.user)
        with self._archive(command, held) as archive:
            container.put_archive(command.working_directory, archive)

    def fetch_folder(self, command: Command, container: Container) -> None:
        """See `Files.fetch_folder`."""
        chunks, _ = container.get_archive(command.working_directory, _READ_SIZE)
        whole_folder.replace(command.host_folder, _Chunks(chunks), command.inputs)

    def by_hand(self, command: Command, arguments: str, workspace: str) -> str:
        """See `Files.by_hand`."""
        volumes = " ".join(f"--volume {shlex.quote(target)}" for target in self._volumes(command))
        folders = [
            f'docker cp {shlex.quote(str(source))}/. "$C:{target}"'
            for target, source in command.folders.items()
        ]
        create = f"C=$(docker create {arguments} {volumes} {_image_and_command(command)})"
        # No -a: with it Docker 20.10 looks for the user's name, and a number has none.
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
        """Make an archive on the project's disk: references can have hundreds of MB."""
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
    """A file whose contents come as an iterator of pieces."""

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
    """Return a value of `--mount`, which is a line of comma-separated values."""
    fields = ["type=bind", f"src={mount.source}", f"dst={mount.target}"]
    if mount.read_only:
        fields.append("readonly")
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()
