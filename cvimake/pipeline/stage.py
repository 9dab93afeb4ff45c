"""One stage of a model, as a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.action import Action
from cvimake.core.capacity import Load
from cvimake.execution.engine.choice import TOOLCHAIN
from cvimake.project.declarations import DeclaredModel


@dataclass(frozen=True)
class Row:
    """A line of the table: one cvimodel.

    Attributes:
        variant: its stage's name.
        info: the file that says what is in it.
    """

    model: str
    variant: str
    info: Path


HostWork = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a model.

    Attributes:
        toolchain: the record of what computes in the image that it runs in.
        before: what is looked at on the host before the tool runs.
        after: what is made of its outputs on the host.
        concluded: the files that `after` writes.
        concluded_with: what else decides them; a JSON value.
        also_read: the files that `after` reads beside the outputs.
        load: what it takes of the machine.
        row: the line of the final table that it counts for; None where it counts for several.
    """

    action: Action
    load: Load
    toolchain: Path = TOOLCHAIN
    row: Row | None = None
    before: HostWork | None = None
    after: HostWork | None = None
    concluded: tuple[Path, ...] = ()
    concluded_with: object = None
    also_read: tuple[Path, ...] = ()


StageOf = Callable[[DeclaredModel], Iterator[Stage]]
