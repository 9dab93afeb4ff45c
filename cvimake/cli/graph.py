"""`graph`: draw the graph, and in it what a build would run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doit.control import TaskControl

from cvimake.cli.base import GraphCommand, stages_of
from cvimake.cli.drawing import dot, mermaid, svg
from cvimake.cli.graph_picture import SHARED, Pictures
from cvimake.cli.options import option
from cvimake.cli.run import with_info
from cvimake.cli.surroundings import invoked_from
from cvimake.core import terminal
from cvimake.core.errors import CvimakeError

FORMATS = {"svg": svg.drawn, "mermaid": mermaid.drawn, "dot": dot.drawn}
_SUFFIXES = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot"}
# A larger picture helps nobody, and GitHub does not draw it.
MOST_MODELS = 30


class Graph(GraphCommand):
    """Draw the graph. Builds nothing and changes nothing."""

    doc_purpose = "draw the graph as SVG, Mermaid or DOT, with what a build would run"
    doc_usage = "[MODEL | MODEL:STAGE | PATH ...]"
    doc_description = (
        "Draws the named models and stages, and all that they need. Without a name: everything, up to "
        f"{MOST_MODELS} models. A line is left out if it follows from other lines."
    )
    cmd_options = (
        option(
            "format", str, "svg, mermaid or dot [default: by the suffix of the output; without one, mermaid]"
        ),
        option("output", str, "the file to write: .svg, .mmd or .dot [default: standard output]", short="o"),
    )

    def look(self, graph: TaskControl, selected: list[str], options: dict[str, Any]) -> int:
        """Draw the selected tasks and what they need."""
        form = _format(options["format"], options["output"])
        if self.sel_default_tasks:
            # Models that cannot be built are drawn too.
            selected = [name for name, task in graph.tasks.items() if not task.subtask_of]
        models = {name.partition(":")[0] for name in stages_of(graph, selected)} - {*SHARED}
        if len(models) > MOST_MODELS:
            raise CvimakeError(
                f"a picture of {len(models)} models is too large to read; it can hold {MOST_MODELS}",
                "Name some of them: ./doit graph MODEL ...",
            )
        selected = with_info(selected, graph.tasks)
        pictures = Pictures(
            tasks=graph.tasks,
            verdicts=self.stale(graph, selected),
            records=self.dep_manager,
            history=self.history,
        )
        text = FORMATS[form](pictures.of(selected))
        if options["output"]:
            try:
                (invoked_from() / options["output"]).write_text(text, encoding="utf-8")
            except OSError as error:
                raise CvimakeError(f"the picture cannot be written: {error}") from error
        else:
            terminal.write(text)
        return 0


def _format(wanted: str, output: str) -> str:
    """Return the format to draw.

    Raises:
        CvimakeError: there is no such format, or the output's name does not tell which one.
    """
    if wanted and wanted not in FORMATS:
        raise CvimakeError(f"--format is {wanted!r}; it can be {', '.join(FORMATS)}")
    if wanted or not output:
        return wanted or "mermaid"
    if form := _SUFFIXES.get(Path(output).suffix.lower()):
        return form
    raise CvimakeError(
        f"{output}: the file's name does not tell the format",
        f"End it in {', '.join(_SUFFIXES)}, or give --format.",
    )
