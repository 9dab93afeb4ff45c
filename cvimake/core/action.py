"""One tool invocation as a value: what runs, on which files, and what it must write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

GIBIBYTE = 1024**3


class FileKind(Enum):
    """Kinds of files, each with the bytes that such a file can begin with."""

    CVIMODEL = (b"CviModel",)
    MLIR = (b"#loc", b"module")
    ONNX = (b"\x08",)
    # An npz is a zip.
    NPZ = (b"PK\x03\x04",)
    PNG = (b"\x89PNG\r\n\x1a\n",)
    JSON = (b"{", b"[")
    TABLE = (b"#",)
    TEXT = (b"",)

    def fits(self, beginning: bytes) -> bool:
        """Tell whether a file with this beginning can be of this kind."""
        return beginning.startswith(self.value)


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file that the tool may read.

    Attributes:
        name: the name under which the tool sees it, in its working directory.
        path: its place, relative to the project or absolute.
    """

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Text:
    """A small generated file that the tool may read.

    Attributes:
        name: the name under which the tool sees it, in its working directory.
    """

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder that the tool may read, holding exactly the named files.

    Attributes:
        target: the absolute path under which the tool sees it, the same in every project.
        files: the places of its files, by their paths in the folder.
    """

    target: str
    files: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file that the tool must write.

    Attributes:
        name: the name under which the tool writes it, in its working directory.
        path: where it is published, relative to the project or absolute.
        kind: the kind of file that it must be.
    """

    name: str
    path: Path
    kind: FileKind


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that an action may use. Limits do not change its outputs.

    Attributes:
        memory: bytes, swap included.
        processes: processes and threads at one time.
        seconds: running time.
        workspace: bytes of the files in its working directory, without the inputs.
        files: number of files and folders there.
    """

    memory: int = 8 * GIBIBYTE
    processes: int = 512
    seconds: float = 2 * 3600.0
    workspace: int = 32 * GIBIBYTE
    files: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Work that several runs of an action's tool can share out, before one more run that puts it together.

    The tool does only some parts if it gets `--only=FIRST:END`: it then writes the files FIRST.json to
    END-1.json, and nothing else. It finds them in the place of parts that it had finished when it was killed.

    Attributes:
        folder: the absolute path of the folder whose files the work is about.
        files: the names of these files, for each part of the work.
    """

    folder: str
    files: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Action:
    """One run of one tool.

    Attributes:
        name: its name for people, `MODEL:STAGE`.
        argv: the command, with paths relative to the working directory.
        environment: all environment variables that the tool sees.
        parts: the absolute path at which the tool sees the parts of its work that it had finished when it was
            killed; empty if it keeps none. They do not change its outputs.
        shared: how its work can be shared out; None if it cannot. This does not change its outputs either.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    texts: tuple[Text, ...] = ()
    folders: tuple[Folder, ...] = ()
    limits: Limits = field(default_factory=Limits)
    parts: str = ""
    shared: Shared | None = None

    def __post_init__(self) -> None:
        names = [file.name for file in self.inputs]
        names += [file.name for file in self.outputs]
        names += [file.name for file in self.texts]
        for name in names:
            if "/" in name or name in {"", ".", ".."}:
                raise ValueError(f"{self.name}: {name!r} is not a plain file name")
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two files under one name: {sorted(names)}")

    def paths(self) -> tuple[Path, ...]:
        """Return the paths of all input files, with those in folders."""
        members = [path for folder in self.folders for path in folder.files.values()]
        return (*(file.path for file in self.inputs), *members)

    def definition(self) -> dict[str, object]:
        """Return everything except the contents of its inputs that decides its outputs, as a JSON value.

        Limits, parts, sharing and the places of files on the host cannot change the bytes: they are left out.
        """
        return {
            "argv": list(self.argv),
            "environment": dict(self.environment),
            "inputs": [file.name for file in self.inputs],
            "outputs": [file.name for file in self.outputs],
            "texts": {file.name: file.text for file in self.texts},
            # The names of the files in a folder decide the outputs too.
            "folders": {folder.target: sorted(folder.files) for folder in self.folders},
        }

    def arrangement(self) -> dict[str, str]:
        """Return the order of its input files, as a JSON value without the paths themselves.

        Two input files with equal contents can change places, such as two test images. The definition and the
        contents then stay the same, but the stage has to run again.
        """
        places = [str(file.path) for file in self.inputs]
        rank = {place: str(number) for number, place in enumerate(sorted(places))}
        return {"order of its files": " ".join(rank[place] for place in places)}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The way in which a command ended.

    Attributes:
        exit_code: the exit code of the process; 137 if it was killed.
        out_of_memory: it was killed because it exceeded the memory limit.
        timed_out: it was killed because it exceeded the time limit.
        overfull: it was killed because its files exceeded the limit of the workspace.
    """

    exit_code: int
    out_of_memory: bool = False
    timed_out: bool = False
    overfull: bool = False
