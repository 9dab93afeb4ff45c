"""The events of `./doit run --json`: one JSON object a line, and what each one holds.

`docs/json.md` explains them, and `schemas/event.schema.json` is made from these models.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Annotated, Literal, TextIO

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel

from cvimake.core.errors import Problem

Seconds = Annotated[float, AfterValidator(lambda seconds: round(seconds, 3))]

_WORKER = "the worker of the cluster that it ran on; empty if it ran on this machine, or not at all"


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Started(_Event):
    """A stage begins: its tool will run, or its results are fetched from the store."""

    event: Literal["started"] = "started"
    stage: str = Field(description="`MODEL:STAGE`, or `toolchain`, `frameworks` and `export` for the images")
    expected_seconds: Seconds | None = Field(description="how long it should take; null if nothing is known")
    estimated: bool = Field(description="the stage never ran here, so the time is an estimate")


class Progress(_Event):
    """A running stage has come further. Comes at most once a second for each stage."""

    event: Literal["progress"] = "progress"
    stage: str
    seconds: Seconds = Field(description="since the stage began")
    percent: int | None = Field(description="of what the tool counts now; null if the tool does not say")
    doing: str = Field(description="what the tool counts, in its words; empty if the tool does not say")


class Grew(_Event):
    """A running stage has got cores that no other stage waited for."""

    event: Literal["grew"] = "grew"
    stage: str
    before: int = Field(description="the cores that it had until now")
    cores: int = Field(description="those that it has from now on")


class Done(_Event):
    """A stage has succeeded."""

    event: Literal["done"] = "done"
    stage: str
    result: Literal["built", "restored"] = Field(description="its tool ran, or it was taken from the store")
    seconds: Seconds = Field(description="that it took in this build")
    files: tuple[str, ...] = Field(description="all that it has made, as paths in the project")
    worker: str = Field(default="", description=_WORKER)


class _Trouble(_Event):
    id: str = Field(description="names the kind of error; it stays when the words change")
    cause: str = Field(description="what happened, and where")
    remedy: str = Field(description="what to do; empty where the cause says it")
    link: str = Field(description="a page that explains the cause in full; empty where there is none")
    log: str = Field(description="the path of the tool's whole log; empty where no tool ran")


class Failed(_Trouble):
    """A stage has failed, or the whole build."""

    event: Literal["failed"] = "failed"
    stage: str | None = Field(description="null where the error is no stage's, but the whole build's")
    worker: str = Field(default="", description=_WORKER)


class Waits(_Trouble):
    """A model is not built yet: its network or a choice in its declaration is missing. This is no error."""

    event: Literal["waits"] = "waits"
    stage: str = Field(description="`MODEL:waiting`")


class LeftOut(_Event):
    """A stage did not run because a stage that it needs has failed."""

    event: Literal["left out"] = "left out"
    stage: str


class Finished(_Event):
    """The build has ended. It is always the last line."""

    event: Literal["finished"] = "finished"
    built: int = Field(description="stages whose tool ran")
    restored: int = Field(description="stages that were taken from the store")
    unchanged: int = Field(description="stages that had nothing to do")
    failed: int
    left_out: int
    seconds: Seconds = Field(description="that the whole build took")
    exit_code: int = Field(description="the exit code of `./doit`")


AnyEvent = Started | Progress | Grew | Done | Failed | Waits | LeftOut | Finished


class Event(RootModel[Annotated[AnyEvent, Field(discriminator="event")]]):
    """One line of `./doit run --json`."""


class EventStream:
    """Writes events, each as one line of ASCII. Several threads may call it.

    Args:
        out: where the lines go; each is flushed.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def write(self, event: AnyEvent) -> None:
        """Write one event.

        Raises:
            OSError: nobody reads the lines any more, or the disk is full.
        """
        told = event.model_dump(mode="json")
        # For people who read along: first the kind of event and the stage.
        line = json.dumps(dict(sorted(told.items(), key=lambda item: item[0] not in {"event", "stage"})))
        with self._lock:
            self._out.write(f"{line}\n")
            self._out.flush()


def failed(stage: str | None, problem: Problem, worker: str = "") -> Failed:
    """Return the event of an error."""
    return Failed.model_validate({"stage": stage, "worker": worker, **dataclasses.asdict(problem)})


def waits(stage: str, problem: Problem) -> Waits:
    """Return the event of a model that waits."""
    return Waits.model_validate({"stage": stage, **dataclasses.asdict(problem)})
