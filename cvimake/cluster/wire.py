"""The messages between a build and the workers of a cluster: JSON, and nothing else.

A build sends a `Request`; a worker answers with one of the replies. Files are named by their contents. They
are put into the store and taken from there (`builder/store/exchange.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from cvimake.builder.store import Blob, Entry
from cvimake.core.action import Action, FileKind, Folder, Input, Limits, Output, Text
from cvimake.core.paths import EXPORT, FRAMEWORKS, TOOLCHAIN

# No action has a message of more characters. Its file names and its generated files are in there.
LARGEST = 64 * 1024 * 1024
# Names of images, by the files that describe them in a project.
RECORDS: Mapping[str, Path] = {path.stem: path for path in (TOOLCHAIN, FRAMEWORKS, EXPORT)}
Image = Literal["toolchain", "frameworks", "export"]


def _inside(path: str) -> str:
    """Return a path in a folder.

    Raises:
        ValueError: it would leave the folder.
    """
    if "\x00" in path or {"", ".", ".."} & set(path.split("/")):
        raise ValueError(f"{path!r} is no path in a folder")
    return path


_Member = Annotated[str, AfterValidator(_inside)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$", max_length=512)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Greeting(_Message):
    """A question to a worker before it gets actions: who it is, and whether it reads the build's store."""

    kind: Literal["greeting"] = "greeting"
    version: str
    """The version of the build's cvimake."""
    recipe: str
    """The sha256 of the definition of the toolchain image's recipe."""
    fingerprint: str
    """The fingerprint of the toolchain that the build was planned with; empty if it is not known yet."""
    probe: Blob
    """A file that the build has just put into its store."""


class IdentityWish(_Message):
    """A question for the description of an image, which the worker makes if it is not there."""

    kind: Literal["identity"] = "identity"
    version: str
    image: Image


class SentAction(_Message):
    """An action, with its inputs by their contents."""

    name: _Name
    argv: tuple[str, ...]
    environment: dict[str, str]
    inputs: dict[str, Blob]
    folders: dict[str, dict[_Member, Blob]]
    texts: dict[str, str]
    outputs: dict[str, str]
    """The kind of each file, by its name."""
    memory: Annotated[int, Field(gt=0)]
    processes: Annotated[int, Field(gt=0)]
    seconds: Annotated[float, Field(gt=0)]
    workspace: Annotated[int, Field(gt=0)]
    files: Annotated[int, Field(gt=0)]
    parts: str

    @classmethod
    def of(cls, action: Action, blob_of: Callable[[Path], Blob]) -> SentAction:
        """Return an action as it is sent.

        Args:
            action: the action.
            blob_of: returns the contents of an input.
        """
        limits = action.limits
        return cls(
            name=action.name,
            argv=action.argv,
            environment=dict(action.environment),
            inputs={file.name: blob_of(file.path) for file in action.inputs},
            folders={
                folder.target: {name: blob_of(path) for name, path in folder.files.items()}
                for folder in action.folders
            },
            texts={text.name: text.text for text in action.texts},
            outputs={file.name: file.kind.name for file in action.outputs},
            memory=limits.memory,
            processes=limits.processes,
            seconds=float(limits.seconds),
            workspace=limits.workspace,
            files=limits.files,
            parts=action.parts,
        )

    def action(self, place: Callable[[Blob], Path], results: Path) -> Action:
        """Return the action as it runs here.

        Args:
            place: returns the path of the file with these contents.
            results: the folder that its outputs are published in.

        Raises:
            ValueError: it is none that a build could send.
        """
        if unknown := sorted(set(self.outputs.values()) - set(FileKind.__members__)):
            raise ValueError(f"unknown kinds of files: {unknown}")
        return Action(
            name=self.name,
            argv=self.argv,
            environment=self.environment,
            inputs=tuple(Input(name=name, path=place(blob)) for name, blob in self.inputs.items()),
            folders=tuple(
                Folder(target=target, files={name: place(blob) for name, blob in files.items()})
                for target, files in self.folders.items()
            ),
            texts=tuple(Text(name=name, text=text) for name, text in self.texts.items()),
            outputs=tuple(
                Output(name=name, path=results / name, kind=FileKind[kind])
                for name, kind in self.outputs.items()
            ),
            limits=Limits(
                memory=self.memory,
                processes=self.processes,
                seconds=self.seconds,
                workspace=self.workspace,
                files=self.files,
            ),
            parts=self.parts,
        )

    def blobs(self) -> Iterable[Blob]:
        """Return the contents of all its inputs, each once."""
        members = [blob for files in self.folders.values() for blob in files.values()]
        return {blob.sha256: blob for blob in (*self.inputs.values(), *members)}.values()


class RunWish(_Message):
    """An action that is to run."""

    kind: Literal["run"] = "run"
    version: str
    image: Image
    fingerprint: str
    action: SentAction
    cores: Annotated[int, Field(ge=1)]
    memory: Annotated[int, Field(ge=0)]
    """Bytes that it is expected to take."""
    topic: str
    """Where the worker tells how far the action is."""
    number: str
    """Names this attempt in what the worker tells."""
    parts: dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], Blob] = {}
    """Parts of its work that other runs have done, by their numbers."""
    spent: Annotated[float, Field(ge=0)] = 0.0
    """The seconds of one core that these took."""
    keeps: bool
    """Whether the worker notes the result in the store; otherwise the build does."""


class Welcome(_Message):
    """The answer of a worker that takes the build's actions."""

    kind: Literal["welcome"] = "welcome"
    identity: dict[str, Any]
    """The description of its toolchain image."""
    fingerprint: str


class Identity(_Message):
    """The description of an image."""

    kind: Literal["identity"] = "identity"
    identity: dict[str, Any]


class Done(_Message):
    """An action has run well: its outputs are in the store."""

    kind: Literal["done"] = "done"
    key: str
    entry: Entry
    """Its result, which the store has too if the worker was to note it there."""
    log: Blob | None
    """None if the store could not take it."""


class ToolFailed(_Message):
    """The tool of an action failed; on another worker it would fail in the same way."""

    kind: Literal["tool-failed"] = "tool-failed"
    id: str
    cause: str
    remedy: str
    link: str
    excerpt: tuple[str, ...]
    log: Blob | None


class Refused(_Message):
    """This worker can run no action of this build."""

    kind: Literal["refused"] = "refused"
    cause: str


class Missing(_Message):
    """The store no longer holds an input."""

    kind: Literal["missing"] = "missing"
    blob: Blob


class Broken(_Message):
    """The worker could not run the action; another one may."""

    kind: Literal["broken"] = "broken"
    cause: str


Request = Annotated[Greeting | IdentityWish | RunWish, Field(discriminator="kind")]
Reply = Annotated[
    Welcome | Identity | Done | ToolFailed | Refused | Missing | Broken, Field(discriminator="kind")
]
_REQUEST: TypeAdapter[Greeting | IdentityWish | RunWish] = TypeAdapter(Request)
_REPLY: TypeAdapter[Welcome | Identity | Done | ToolFailed | Refused | Missing | Broken] = TypeAdapter(Reply)


def read_request(text: str) -> Greeting | IdentityWish | RunWish:
    """Return the request that a text holds.

    Raises:
        ValueError: it holds none.
    """
    return _REQUEST.validate_json(_bounded(text))


def read_reply(text: str) -> Welcome | Identity | Done | ToolFailed | Refused | Missing | Broken:
    """Return the reply that a text holds.

    Raises:
        ValueError: it holds none.
    """
    return _REPLY.validate_json(_bounded(text))


def _bounded(text: object) -> str:
    if not isinstance(text, str) or len(text) > LARGEST:
        raise ValueError(f"no text of at most {LARGEST} characters")
    return text
