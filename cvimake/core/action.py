"""One tool invocation as a value: what runs, on which files, and what it must write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

GIBIBYTE = 1024**3


class FileKind(Enum):
    """What a file holds, with the ways in which it can begin."""

    CVIMODEL = (b"CviModel",)
    MLIR = (b"#loc", b"module")
    ONNX = (b"\x08",)
    NPZ = (b"PK\x03\x04",)
    JSON = (b"{", b"[")
    TABLE = (b"#",)
    TEXT = (b"",)

    def fits(self, beginning: bytes) -> bool:
        """Whether a file that begins so can be of this kind."""
        return beginning.startswith(self.value)


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file that the tool may read.

    Attributes:
        name: the name under which the tool sees it, in its working directory.
        path: where it lies, relative to the project or absolute.
    """

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Text:
    """A small generated file that the tool may read.

    Attributes:
        name: the name under which the tool sees it, in its working directory.
        text: what it holds.
    """

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder that the tool may read, holding exactly the named files.

    Attributes:
        target: where the tool sees it, an absolute path, the same in every project.
        files: where its files lie, by their path in the folder.
    """

    target: str
    files: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file that the tool must write.

    Attributes:
        name: the name under which the tool writes it, in its working directory.
        path: where it is published, relative to the project or absolute.
        kind: what it must hold.
    """

    name: str
    path: Path
    kind: FileKind


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a step may use at most. They do not change what it computes.

    Attributes:
        memory: bytes, swap included.
        processes: processes and threads at one time.
        seconds: running time.
        workspace: bytes of the files in its working directory, the inputs left out.
        files: files and folders there.
    """

    memory: int = 8 * GIBIBYTE
    processes: int = 512
    seconds: float = 2 * 3600.0
    workspace: int = 32 * GIBIBYTE
    files: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Action:
    """One run of one tool.

    Attributes:
        name: how people call it: `MODEL:STAGE`.
        argv: the command, with paths relative to the working directory.
        environment: all environment variables that it sees.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    texts: tuple[Text, ...] = ()
    folders: tuple[Folder, ...] = ()
    limits: Limits = field(default_factory=Limits)

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
        """Every file that the result depends on."""
        members = [path for folder in self.folders for path in folder.files.values()]
        return (*(file.path for file in self.inputs), *members)

    def definition(self) -> dict[str, object]:
        """All that decides its result beside the contents of its inputs; a JSON value.

        Limits and places on the host cannot change the bytes and are left out.
        """
        return {
            "argv": list(self.argv),
            "environment": dict(self.environment),
            "inputs": [file.name for file in self.inputs],
            "outputs": [file.name for file in self.outputs],
            "texts": {file.name: file.text for file in self.texts},
            # Which files are in a folder decides the result as much as what is in them.
            "folders": {folder.target: sorted(folder.files) for folder in self.folders},
        }

    def arrangement(self) -> dict[str, str]:
        """Which of its files is taken for what; a JSON value, without the places themselves.

        Another order of the same files, such as of two test images, is another result of equal contents.
        """
        places = [str(file.path) for file in self.inputs]
        rank = {place: str(number) for number, place in enumerate(sorted(places))}
        return {"order of its files": " ".join(rank[place] for place in places)}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended.

    Attributes:
        exit_code: of the process; 137 where it was killed.
        out_of_memory: the memory limit killed it.
        timed_out: the time limit killed it.
        overfull: it was killed because its files took more than they may.
    """

    exit_code: int
    out_of_memory: bool = False
    timed_out: bool = False
    overfull: bool = False
