"""Models that had nothing to do when a command last looked at all of them.

As long as nothing that is known of such a model changes, it still has nothing to do. The next command then
neither reads its declaration nor makes its tasks. `cli/answers/partial.py` finds out what has changed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from doit.task import Task

from cvimake.builder.history import HISTORY
from cvimake.builder.task_meta import meta_of
from cvimake.core.paths import FINGERPRINTS
from cvimake.pipeline.stage import Row
from cvimake.project import Declarations

# The tasks of images have these names. All models depend on them.
IMAGES = frozenset(path.stem for path in FINGERPRINTS)
_SUFFIXES = ("", "-journal", "-wal")


@dataclass(frozen=True, kw_only=True)
class Untouched:
    """The models of a build that are left out of it, since they still have nothing to do.

    Attributes:
        stages: how many stages each model has, by the model's name; also the tasks of images.
        rows: how many rows of the final table they would have.
    """

    stages: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0

    def others(self, tasks: Collection[str]) -> int:
        """Return how many stages are left out, given the names of all tasks that are not."""
        return sum(count for name, count in self.stages.items() if name not in tasks)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The models that had nothing to do.

    Attributes:
        stages: how many stages of each were judged, by the model's name; also the tasks of images.
        rows: how many rows of the final table each has.
        files: the declaration of each model, and the files that its tasks read or write, with the model's
            name; an empty name if the tasks of several models do.
        declarations: the declarations alone.
    """

    stages: Mapping[str, int]
    rows: Mapping[str, int]
    files: Mapping[str, str]
    declarations: frozenset[str]


def judged(
    tasks: Mapping[str, Task],
    declarations: Declarations,
    unchanged: Iterable[str],
    stale: Collection[str] = (),
) -> Judged | None:
    """Return the models that had nothing to do; None if an image is to be made, which all models need.

    Args:
        tasks: all of the graph, each of them cvimake's own.
        declarations: of the models in the graph.
        unchanged: the names of the tasks that were judged and are up to date.
        stale: the names of those that are not.
    """
    touched = {_model(name) for name in stale}
    if touched & IMAGES:
        return None
    own = {str(model.folder / "model.toml"): name for name, model in declarations.models.items()}
    files = dict(own)
    rows: dict[str, set[Row]] = {}
    for name, task in tasks.items():
        model, row = _model(name), meta_of(task).row
        if row:
            rows.setdefault(model, set()).add(row)
        for path in (*task.file_dep, *task.targets):
            if files.setdefault(path, model) != model:
                files[path] = ""
    stages = Counter(map(_model, unchanged))
    return Judged(
        stages={model: count for model, count in stages.items() if model not in touched},
        rows={model: len(its) for model, its in rows.items()},
        files=files,
        declarations=frozenset(own),
    )


def databases(records: str) -> frozenset[str]:
    """Return the paths of the records and of the history, in each form in which SQLite is asked for them.

    Args:
        records: the path of doit's records.
    """
    paths = (records, str(HISTORY))
    forms = {form for path in paths for form in (path, os.path.abspath(path), os.path.realpath(path))}  # noqa: PTH100 - paths are text here
    return frozenset(f"{form}{suffix}" for form in forms for suffix in _SUFFIXES)


def _model(task: str) -> str:
    return task.partition(":")[0]
