"""Models that cannot be built as things are: why, and the task that stands for each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.builder.hindrances import ChoiceOpen, DeclarationWrong, NotFetched, SourceMissing
from cvimake.builder.reasons import Reason
from cvimake.core.errors import CvimakeError, DeclarationError, Problem, harmless
from cvimake.core.plain_path import plain
from cvimake.project import Declarations, DeclaredModel, presence
from cvimake.project.awaiting import Awaiting
from cvimake.project.dataset import IMAGES
from cvimake.project.declarations import UnusableModel
from cvimake.project.names import NAME, RESERVED_NAMES

# The names of the tasks `MODEL:...` that stand for such a model.
WAITING, DECLARATION = "waiting", "declaration"
# The stage that only models with [accuracy] have.
PREVIEW = "preview"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")


class SourceMissingError(CvimakeError):
    """A model's network is not there yet.

    Args:
        model: its name.
        places: where to put what is missing.
        source_from: how to get it, in the words of the declaration; empty if it does not say so.
        others: the other reasons why the model waits.
    """

    id = "source-missing"

    def __init__(
        self, model: str, places: Sequence[str], source_from: str, others: Sequence[str] = ()
    ) -> None:
        text = "; ".join([f"waits for its source: put it at {', '.join(places)}", *others])
        super().__init__(f"{model} {text}", source_from)
        self._model, self._places, self._others = model, places, others

    @property
    def in_short(self) -> str:
        """The error in one line, for a user who did not ask for the model."""
        if not self.remedy:
            return str(self)
        place = f"{self._model} waits for its source: put it at {', '.join(self._places)}"
        return harmless(f"{place} (`./doit {self._model}` says how to get it)")

    def problem(self, _name: str = "") -> Problem:
        """Return the error as plain data; its remedy is where to put the network, and how to get it."""
        remedy = "\n".join(
            filter(None, [f"Put it at {', '.join(self._places)}.", self.remedy, *self._others])
        )
        return Problem(
            id=self.id, cause=harmless(f"{self._model} waits for its source"), remedy=harmless(remedy)
        )


class NotFetchedError(CvimakeError):
    """Files that a model needs can be fetched, and are not there yet."""

    id = "not-fetched"


class ChoiceOpenError(CvimakeError):
    """A value of a model's declaration is still to be filled in."""

    id = "choice-open"


@dataclass(frozen=True, kw_only=True)
class Unbuildable:
    """A model that cannot be built as things are.

    Attributes:
        task: the name of its group of tasks.
        reasons: why.
    """

    task: str
    reasons: tuple[Reason, ...]

    @property
    def is_wrong(self) -> bool:
        """True if its declaration has a mistake; otherwise it waits for something."""
        return any(isinstance(reason, DeclarationWrong) for reason in self.reasons)

    @property
    def stage(self) -> str:
        """The name of the task that stands for it, behind the group's."""
        return DECLARATION if self.is_wrong else WAITING

    @property
    def error(self) -> CvimakeError:
        """Return the error to tell a user who asks for the model."""
        if self.is_wrong:
            return DeclarationError("\n".join(map(str, self.reasons)))
        sources = [reason for reason in self.reasons if isinstance(reason, SourceMissing)]
        fetched = [str(reason) for reason in self.reasons if isinstance(reason, NotFetched)]
        if sources:
            places = [source.path for source in sources]
            return SourceMissingError(self.task, places, sources[0].source_from, fetched)
        if fetched:
            return NotFetchedError(f"{self.task} {'; '.join(fetched)}")
        choices = (reason.what for reason in self.reasons if isinstance(reason, ChoiceOpen))
        return ChoiceOpenError("\n".join(f"{self.task} waits: {what}" for what in choices))


def of_declarations(declarations: Declarations, root: Path) -> dict[str, Unbuildable]:
    """Every model of the project in a folder that cannot be built, by its name."""
    found = {name: _unusable(model) for name, model in declarations.unusable.items()}
    awaiting = Awaiting(declarations)
    for name, model in declarations.models.items():
        if reasons := _waits_for(model, awaiting):
            # Its other files may be added together with these.
            found[name] = Unbuildable(task=name, reasons=reasons)
        elif mistakes := presence.mistakes(model, root / "build"):
            found[name] = Unbuildable(task=name, reasons=tuple(map(DeclarationWrong, mistakes)))
    return dict(sorted(found.items()))


def stand_ins(
    selected: Iterable[str] | None, tasks: Container[str], targets: Container[str]
) -> list[str] | None:
    """Replace stages and files of models that cannot be built by the tasks that stand for these models.

    Such a model has no stages in the graph. Somebody who names one should read why.

    Args:
        selected: names of tasks and paths of results; None for all tasks.
        tasks: the names of all tasks.
        targets: the paths of all results.

    Raises:
        CvimakeError: one of them is the preview of a model that has none, or comes with images.
    """
    if selected is None:
        return None
    replaced = list(dict.fromkeys(_stand_in(name, tasks, targets) for name in selected))
    images = [name for name in replaced if Path(name).suffix.lower() in IMAGES and name not in targets]
    for name in replaced:
        model, _, stage = name.partition(":")
        if stage == PREVIEW and model in tasks:
            _check_preview(model, images, exists=name in tasks)
    return replaced


def _check_preview(model: str, images: Sequence[str], *, exists: bool) -> None:
    """Refuse a preview of declared images where none are declared, or images are named.

    Args:
        model: the model's name.
        images: the named images.
        exists: whether the model has a stage that draws its declared images.
    """
    if not exists:
        raise CvimakeError(
            f"{model} has no preview: it declares no images to measure on",
            "Declare `dataset` in [accuracy] of its model.toml, or name images: "
            f"./doit preview {model} IMAGE",
        )
    if images:
        raise CvimakeError(
            f"{model}:{PREVIEW} takes no images", f"./doit preview {model} {shlex.join(images)}"
        )


def stops_others(selected: Collection[str], tasks: Container[str]) -> bool:
    """Tell whether several tasks are selected and one of them stands for a wrong declaration."""
    return len(selected) > 1 and any(f"{name}:{DECLARATION}" in tasks for name in selected)


def _stand_in(name: str, tasks: Container[str], targets: Container[str]) -> str:
    if name in tasks or name in targets:
        return name
    model = name.split("/")[1] if name.startswith("build/") else name.partition(":")[0]
    standing = (f"{model}:{stage}" for stage in (DECLARATION, WAITING))
    return next((task for task in standing if task in tasks), name)


def _waits_for(model: DeclaredModel, awaiting: Awaiting) -> tuple[Reason, ...]:
    sources = (
        SourceMissing(str(plain(path)), model.name, model.model.source_from)
        for path in model.missing
        if not awaiting.is_fetched(path)
    )
    fetched = (
        NotFetched(owner.name, len(owner.missing), owner.size(owner.missing))
        for owner in awaiting.owners(model)
    )
    return (*sources, *fetched)


def _unusable(model: UnusableModel) -> Unbuildable:
    # A folder can have a name that a task cannot have, or that a task or a command has already.
    is_usable = NAME.fullmatch(model.name) and model.name not in RESERVED_NAMES
    name = model.name if is_usable else f"model_{_NOT_IN_NAMES.sub('_', model.name)}"
    mistakes = [DeclarationWrong(what) for what in model.mistakes]
    choices = [(DeclarationWrong if mistakes else ChoiceOpen)(what) for what in model.choices]
    return Unbuildable(task=name, reasons=(*mistakes, *choices))
