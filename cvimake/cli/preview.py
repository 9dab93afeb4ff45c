"""`preview`: draw what networks find, in images that the user names or on which they differ most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from cvimake.builder.build import Build
from cvimake.builder.tasks import extra_tasks
from cvimake.builder.unbuildable import PREVIEW
from cvimake.cli.base import options_first
from cvimake.cli.options import option
from cvimake.cli.run import Run
from cvimake.cli.surroundings import as_path
from cvimake.core import announce
from cvimake.core.errors import CvimakeError
from cvimake.pipeline import files
from cvimake.pipeline.stages.preview import USUAL_COUNT, Asked, asked
from cvimake.pipeline.target import targets
from cvimake.project.declarations import DeclaredModel
from cvimake.project.preview_images import given

# A picture of more images is larger than most programs can show.
_MOST_IMAGES = 100
_EXAMPLE = "./doit preview shapes street.jpg"


class Preview(Run):
    """Draw a preview, and build what it needs."""

    doc_purpose = "draw what the float network and every variant find in images"
    doc_usage = "MODEL [IMAGE ...]"
    doc_description = (
        "Without an image: the images of [accuracy] on which the variants differ most from the float "
        "network, as the stage MODEL:preview draws them. The picture is in build/MODEL/; docs/preview.md "
        "explains it."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (
        *Run.cmd_options,
        option(
            "count",
            int,
            f"how many images, those that differ most first [default: {USUAL_COUNT}, or all named ones]",
        ),
        option("camera", bool, "what the camera's firmware shows [default, where it shows anything]"),
        option("field", bool, "what average precision is measured on, from the camera's score on"),
    )

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Take the command line; options may also stand after the names."""
        return super().parse_execute(options_first(self.cmdparser, in_args))

    def execute(self, params: dict[str, Any], args: list[str]) -> int | None:
        """Draw the preview, and tell where it is."""
        self._params, self._named = params, list(args)
        self._picture: Path | None = None
        # The model is selected for now: if it cannot be built, its error is told.
        code = super().execute(params, args[:1])
        if not code and self._picture:
            announce.note(f"the picture is {self._picture}")
        return code

    def add_tasks(self, build: Build) -> None:
        """Add the stages of the preview.

        Raises:
            CvimakeError: the command line is wrong, or an image cannot be used.
        """
        if not self._named:
            raise CvimakeError("`preview` takes a model, and images if you have any", _EXAMPLE)
        name, images = self._named[0].removesuffix(f":{PREVIEW}"), self._named[1:]
        count, view = self._params["count"], _view(self._params)
        if not 0 <= count <= _MOST_IMAGES or len(images) > _MOST_IMAGES:
            raise CvimakeError(f"a preview has 1 to {_MOST_IMAGES} images")
        model = build.declarations.models.get(name)
        if model is None or not any(task.name == f"{name}:mlir" for task in self.task_list):
            self._refuse_unknown(name)
            return
        if not images and not count and not view:
            self.sel_tasks = [f"{name}:{PREVIEW}"]
            self._picture = files.place(name, files.preview(name)[0])
            return
        self._add(build, model, Asked(
            images=given(model, {image: as_path(image) for image in images}) if images else None,
            view=view,
            count=count or (None if images else USUAL_COUNT),
        ))  # fmt: skip

    def _add(self, build: Build, model: DeclaredModel, wanted: Asked) -> None:
        """Add the stages of another preview than the usual one, and select them."""
        stages = list(asked(model, wanted))
        if not stages:
            self.sel_tasks = [f"{model.name}:{PREVIEW}"]
            return
        self.task_list += extra_tasks(build, stages)
        last = stages[-1].action
        # The table at the end shows what is in each cvimodel.
        self.sel_tasks = [last.name, *(f"{target.stage}_info" for target in targets(model))]
        self._picture = last.outputs[0].path

    def _refuse_unknown(self, name: str) -> None:
        """Refuse a name that is no model's; a model that cannot be built is told by its own task.

        Raises:
            CvimakeError: it is not the name of a model.
        """
        known = [task.name for task in self.task_list if task.has_subtask]
        if name not in known:
            raise CvimakeError(f"there is no model {name!r}", "./doit list shows the models")
        self.sel_tasks = [name]


def _view(params: dict[str, Any]) -> str:
    """Return the view that is asked for; empty if none is.

    Raises:
        CvimakeError: both are.
    """
    chosen: Sequence[str] = [view for view in ("camera", "field") if params[view]]
    if len(chosen) > 1:
        raise CvimakeError("--camera and --field exclude each other")
    return chosen[0] if chosen else ""
