"""`report`: write pages that show what a project has built, how good it is, and how it was made."""

from __future__ import annotations

from typing import Any

from doit.control import TaskControl

from cvimake.builder.staleness import Verdict
from cvimake.builder.task_meta import meta_of
from cvimake.cli import extra_packages, surroundings
from cvimake.cli.base import OPTION_JSON, GraphCommand, options_first
from cvimake.cli.drawing import svg
from cvimake.cli.graph_picture import Pictures
from cvimake.cli.options import option
from cvimake.cli.run import with_info
from cvimake.core import git, terminal
from cvimake.core.errors import CvimakeError
from cvimake.report.data import FOLDER
from cvimake.report.data import Report as Data

_MARKDOWN = option("markdown", bool, "print the report as Markdown, for a pull request")
_WATCH = option(
    "watch", bool, "serve the report on this machine until Ctrl-C, and renew it while a build runs"
)
_PORT = option("port", int, "with --watch: the port to serve on [default: any that is free]")


class Report(GraphCommand):
    """Write the report. Builds nothing."""

    doc_purpose = "write build/report/index.html: what is built, how good it is, and how it was made"
    doc_usage = "[MODEL ...]"
    doc_description = (
        "The pages open from the disk, without a server or a network. They show what the last build has "
        "left; nothing is built. Pages whose contents have not changed are not made again."
    )
    cmd_options = (OPTION_JSON, _MARKDOWN, _WATCH, _PORT)

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Take the command line. A server needs no graph: it starts a process for each new report."""
        options, models = self.cmdparser.parse(options_first(self.cmdparser, in_args))
        if not options["watch"]:
            return super().parse_execute(in_args)
        from cvimake.cli import report_watch  # noqa: PLC0415 - loads a web server

        try:
            return report_watch.serve(surroundings.folder(), models, options["port"])
        except CvimakeError as error:
            terminal.complain(error)
            return error.exit_code

    def look(self, graph: TaskControl, selected: list[str], options: dict[str, Any]) -> int:
        """Write the pages, or print the report."""
        extra_packages.ensure(extra_packages.REPORT)
        names = self._names(graph, selected)
        stages = {name: stage for name, task in graph.tasks.items() if (stage := meta_of(task).stage)}
        # A stage that runs only on request is looked at only if it has run.
        wanted = [
            name
            for name, stage in stages.items()
            if name.partition(":")[0] in names
            and (not stage.on_request or stage.action.outputs[0].path.is_file())
        ]
        verdicts = self.stale(graph, with_info([*wanted, *names], graph.tasks))
        report = self._gathered(names, stages, verdicts)
        if options["json"]:
            terminal.write(report.model_dump_json(indent=1) + "\n")
            return 0
        if options["markdown"]:
            from cvimake.report import markdown  # noqa: PLC0415 - only needed here

            terminal.write(markdown.written(report))
            return 0
        from cvimake.report import writing  # noqa: PLC0415 - loads what only a report needs

        pictures = Pictures(
            tasks=graph.tasks, verdicts=verdicts, records=self.dep_manager, history=self.history
        )
        graphs = {name: svg.drawn(pictures.of(with_info([name], graph.tasks))) for name in names}
        written = writing.write(report, graphs, surroundings.folder())
        index = FOLDER / "index.html"
        if written.made:
            terminal.line(f"{index}: {written.made} of {written.pages} pages made")
        else:
            terminal.line(f"{index}: up to date, {written.pages} pages")
        return 0

    def _names(self, graph: TaskControl, selected: list[str]) -> list[str]:
        """Return the names of the models."""
        held = [name.partition(":")[0] for name, task in graph.tasks.items() if meta_of(task).hindrances]
        models = list(dict.fromkeys([*self.build.declarations.models, *held]))
        if self.sel_default_tasks:
            return sorted(models)
        if others := [name for name in selected if name not in models]:
            raise CvimakeError(
                f"a report is of whole models, and {others[0]} is none", "./doit report MODEL ..."
            )
        return sorted(selected)

    def _gathered(self, names: list[str], stages: dict[str, Any], verdicts: dict[str, Verdict]) -> Data:
        from cvimake.builder import unbuildable  # noqa: PLC0415 - slow to import, and only needed here
        from cvimake.cli.report_since import since_release  # noqa: PLC0415 - slow to import, and only needed here
        from cvimake.release import label  # noqa: PLC0415 - slow to import, and only needed here
        from cvimake.report.evidence import Evidence  # noqa: PLC0415 - slow to import, and only needed here
        from cvimake.report.gathering import Gathering  # noqa: PLC0415 - slow to import, and only needed here

        build = self.build
        held = unbuildable.of_declarations(build.declarations, build.root)
        models = [build.declarations.models[name] for name in names if name not in held]
        evidence = Evidence(build=build, stages=stages, verdicts=verdicts, history=self.history)
        tree = git.tree(build.root, build.environment)
        since = since_release(build, tree, models, stages)
        gathering = Gathering(evidence=evidence, tree=tree, since=since)
        others = [held[name] for name in names if name in held]
        return gathering.report(label.project_name() or build.root.name, models, others)
