"""The part of a task that doit does not know: one typed object in doit's `meta`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from doit.exceptions import BaseFail
from doit.task import Task

from cvimake.builder.reasons import Reason
from cvimake.core.capacity import Load
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.stage import Row, Stage

# Takes a stage's outputs from the store. It returns doit's failure or the task's values; None if the outputs
# could not be taken, so that the stage has to run.
Restore = Callable[[], BaseFail | dict[str, Any] | None]

_KEY = "cvimake"


@dataclass(frozen=True, kw_only=True)
class Meta:
    """cvimake's own data of a task.

    Attributes:
        load: the part of the machine that it takes; None for a task that runs alone.
        row: the row of the final table that it counts for.
        stage: the stage that it runs; None for a task that is no stage of a model.
        look_up: looks for the stage's outputs in the store, and returns the function that takes them from
            there; None if they are not there.
        hindrances: the reasons why its model cannot be built as things are.
        waiting: the error of a model that waits for something.
    """

    load: Load | None = None
    row: Row | None = None
    stage: Stage | None = None
    look_up: Callable[[], Restore | None] | None = None
    hindrances: tuple[Reason, ...] = ()
    waiting: CvimakeError | None = None

    def for_doit(self) -> dict[str, Meta]:
        """Return the value of doit's `meta` that holds it."""
        return {_KEY: self}


_NOTHING = Meta()


def meta_of(task: Task) -> Meta:
    """Return cvimake's own data of a task; an empty one for a task that is not ours."""
    meta: Meta = (task.meta or {}).get(_KEY, _NOTHING)
    return meta
