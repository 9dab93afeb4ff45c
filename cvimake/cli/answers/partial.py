"""Uses a kept answer in part: models that are as they were when it was kept are not judged again.

A kept answer has the state of everything that a command looked at. If each file that has changed counts for
one model alone, only these models can have anything to do. A build of everything, or a plan of it, judges
these models and leaves out the others.

A file counts for one model alone in two cases: it is the model's declaration, or only the tasks of this model
read or write it, and it was not looked at while declarations were read. All other files count for all models.
The records of all tasks are in one file, so the contents of this file are compared for each model.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cvimake.cli.answers.kept import Answer
from cvimake.cli.answers.observer import Observer

if TYPE_CHECKING:
    from doit.dependency import Dependency

    from cvimake.builder.build import Build
    from cvimake.builder.untouched import Judged, Untouched
    from cvimake.cli.answers.sights import State

# The numbers of files that count for all models, and of files that are compared in another way.
_ALL, _RECORDS = -1, -2
_LENGTH = 8


class Partial:
    """The part of an answer that says something of each model.

    Many commands never begin this, so what is slow to import is imported then.

    Args:
        earlier: the answer that was kept to the same request; None if there is none.
        observer: watches the command.
    """

    def __init__(self, earlier: Answer | None, observer: Observer) -> None:
        self._earlier, self._observer = earlier, observer
        self._build: Build | None = None
        self._records: Mapping[str, str] = {}
        self._databases: frozenset[str] = frozenset()
        # The changes since the earlier answer: the kinds of paths, and their places in it.
        self._changed: frozenset[tuple[int, int]] = frozenset()
        # The paths that were looked at until all declarations were read.
        self._reading: frozenset[str] = frozenset()

    def begin(self, build: object, records: Dependency) -> None:
        """Leave out of a build or a plan of everything what needs no look.

        Args:
            build: has not read its declarations yet, and holds the project's lock if it needs that. It is
                nothing of cvimake's in a project without cvimake.
            records: doit's.
        """
        from cvimake.builder.build import Build  # noqa: PLC0415
        from cvimake.builder.records import Records  # noqa: PLC0415
        from cvimake.builder.untouched import databases  # noqa: PLC0415

        if not isinstance(build, Build) or not isinstance(records.backend, Records):
            return
        self._build = build
        self._records = records.backend.digests()
        self._databases = databases(records.name)
        if self._earlier:
            build.untouched = self._untouched(self._earlier)

    def have_read(self) -> None:
        """Note that all declarations are read, and all tasks made."""
        self._reading = frozenset().union(*self._observer.seen)

    def _untouched(self, earlier: Answer) -> Untouched:
        """Return the models that are as they were."""
        from cvimake.builder.summary import MOST_UNCHANGED  # noqa: PLC0415
        from cvimake.builder.untouched import IMAGES, Untouched  # noqa: PLC0415

        told = _Told.of(earlier.models)
        changed = earlier.changed() if told else None
        if told is None or changed is None:
            return Untouched()
        self._changed = frozenset(changed)
        numbers = {told.owners[kind][place] for kind, place in changed}
        if _ALL in numbers:
            return Untouched()
        touched = {told.models[number] for number in numbers - {_RECORDS}}
        touched |= {
            model
            for model in told.records.keys() | self._records.keys()
            if told.records.get(model) != self._records.get(model)
        }
        if touched & IMAGES:
            return Untouched()
        stages = {model: count for model, count in told.stages.items() if model not in touched}
        rows = sum(told.rows.get(model, 0) for model in stages)
        # Smaller projects show the rows of all models.
        return Untouched(stages=stages, rows=rows) if rows > MOST_UNCHANGED else Untouched()

    def complete(self, seen: dict[int, dict[str, State]]) -> bytes:
        """Return what a new answer says of each model; empty if it says nothing of them.

        Args:
            seen: everything that the command has looked at, by kind. What was looked at earlier, for the
                models that were left out, is added.
        """
        if self._build is None:
            return b""
        left_out = self._build.untouched.stages
        told = _Told.of(self._earlier.models) if self._earlier and left_out else None
        earlier = self._add_earlier(told, seen) if told else {}
        judged = self._build.judged
        if judged is None:
            return b""
        models = sorted({*judged.files.values(), *left_out} - {""})
        numbers = {model: number for number, model in enumerate(models)}
        return _Told(
            models=models,
            stages={**left_out, **judged.stages},
            rows={**{model: told.rows.get(model, 0) for model in left_out if told}, **judged.rows},
            records=self._records,
            owners=[
                array("i", (self._owner(path, judged, earlier.get((kind, path)), numbers) for path in paths))
                for kind, paths in seen.items()
            ],
        ).packed()

    def _add_earlier(self, told: _Told, seen: Mapping[int, dict[str, State]]) -> dict[tuple[int, str], str]:
        """Add what was looked at earlier and has not changed; return the model that each path counts for."""
        owners: dict[tuple[int, str], str] = {}
        for kind, (paths, states) in enumerate(self._earlier.read() if self._earlier else ()):
            for place, (path, state) in enumerate(zip(paths, states, strict=True)):
                if (kind, place) not in self._changed:
                    seen[kind].setdefault(path, state)
                    number = told.owners[kind][place]
                    owners[kind, path] = told.models[number] if number >= 0 else ""
        return owners

    def _owner(self, path: str, judged: Judged, earlier: str | None, numbers: Mapping[str, int]) -> int:
        """Return the number of the model that a path counts for.

        Args:
            path: the path.
            judged: what the command has found out.
            earlier: the model that it counted for in the earlier answer, empty for all, None for no model.
            numbers: those of all models.
        """
        if path in self._databases:
            return _RECORDS
        if path in judged.declarations:
            # Other models could read it too.
            alone = self._observer.opened[path] <= 1
            return numbers[judged.files[path]] if alone and judged.files[path] else _ALL
        owners = {owner for owner in (judged.files.get(path), earlier) if owner is not None}
        if len(owners) != 1 or path in self._reading:
            return _ALL
        return numbers.get(owners.pop(), _ALL)


class _Told:
    """The part of an answer that says something of each model, in the form in which it is kept.

    Attributes:
        models: the names of models, whose places are numbers.
        stages: see `Untouched`.
        rows: see `Judged`.
        records: the digest of the records of each model's tasks.
        owners: for each kind of sight, the number of the model that each path counts for.
    """

    def __init__(
        self,
        *,
        models: list[str],
        stages: Mapping[str, int],
        rows: Mapping[str, int],
        records: Mapping[str, str],
        owners: list[array[int]],
    ) -> None:
        self.models, self.stages, self.rows = models, stages, rows
        self.records, self.owners = records, owners

    @classmethod
    def of(cls, data: bytes) -> _Told | None:
        """Read it; return None if nothing is said."""
        if not data:
            return None
        end = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
        told = json.loads(data[_LENGTH:end])
        owners = []
        for length in told.pop("lengths"):
            numbers = array("i")
            numbers.frombytes(data[end : end + length])
            owners.append(numbers)
            end += length
        return cls(**told, owners=owners)

    def packed(self) -> bytes:
        """Return it as bytes."""
        owners = [numbers.tobytes() for numbers in self.owners]
        head = json.dumps(
            {
                "models": self.models,
                "stages": self.stages,
                "rows": self.rows,
                "records": self.records,
                "lengths": list(map(len, owners)),
            }
        ).encode()
        return b"".join((len(head).to_bytes(_LENGTH, "big"), head, *owners))
