"""`info`: tell what is in a cvimodel and what the camera takes it for, or what a stage reads and writes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doit.control import TaskControl

from cvimake.builder.unbuildable import stand_ins
from cvimake.cli import surroundings
from cvimake.cli.base import GraphCommand, options_first, stages_of
from cvimake.cli.interruption import ends_cleanly
from cvimake.cli.options import option
from cvimake.cli.surroundings import invoked_from
from cvimake.cli.task_listing import listed
from cvimake.core import digest, terminal
from cvimake.core.action import FileKind
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError
from cvimake.pipeline import cvimodel_info
from cvimake.pipeline.accuracy import Measured


class Info(GraphCommand):
    """Tell what is known of a cvimodel, a model or a stage."""

    doc_purpose = "show what is in a cvimodel file, or what a model or a stage reads and writes"
    doc_usage = "FILE.cvimodel | MODEL | MODEL:STAGE | PATH"
    cmd_options = (option("json", bool, "for a cvimodel: everything, as JSON"),)

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Find out whether a file or a task is meant: for a file, doit need not load the graph."""
        options, files = self.cmdparser.parse(options_first(self.cmdparser, in_args))
        try:
            if not any(file.endswith(".cvimodel") for file in files):
                return super().parse_execute(in_args)
            with ends_cleanly("interrupted"):
                for file in files:
                    path = _found(file)
                    _print(_examined(path), measured_beside(path), as_json=options["json"])
        except CvimakeError as error:
            terminal.complain(error)
            return error.exit_code
        return 0

    def _execute(self) -> int:
        if self._options["json"]:
            raise CvimakeError("`info --json` takes cvimodels; `./doit plan --json` tells about stages")
        if self.sel_default_tasks:
            raise CvimakeError("`info` takes a cvimodel, a model, a stage or a file that a stage makes")
        names = [task.name for task in self.task_list]
        made = [str(target) for task in self.task_list for target in task.targets]
        known = {*names, *made}
        for name in stand_ins(self.sel_tasks, names, made) or ():
            if name not in known:
                from cvimake.project.mistakes import did_you_mean  # noqa: PLC0415 - takes a while to load

                similar = did_you_mean(name, names)
                raise CvimakeError(f"`info`: there is no model, stage, result or cvimodel {name!r}{similar}")
        return super()._execute()

    def look(self, graph: TaskControl, selected: list[str], _options: dict[str, Any]) -> int:
        """Print what each of them is, needs, reads and writes."""
        verdicts = self.stale(graph, selected)
        for name in selected:
            stages, tasks = stages_of(graph, [name]), graph.tasks
            ignored = [stage for stage in stages if self.dep_manager.status_is_ignore(tasks[stage])]
            lines = listed(name, stages, tasks, verdicts, ignored)
            terminal.write("".join(f"{line}\n" for line in lines))
        impossible = any(verdict.is_impossible for verdict in verdicts.values())
        return EXIT_NOT_POSSIBLE if impossible else 0


def _found(file: str) -> Path:
    path = invoked_from() / file
    if not path.is_file():
        raise CvimakeError(f"no file {path}")
    with path.open("rb") as opened:
        if not FileKind.CVIMODEL.fits(opened.read(64)):
            raise CvimakeError(f"{path} is no cvimodel")
    return path.resolve()


def _examined(model: Path) -> cvimodel_info.Info:
    """List a cvimodel with model_tool, in a container."""
    from cvimake.core.action import Action, Input, Limits, Output  # noqa: PLC0415 - only a listing needs an engine
    from cvimake.execution.runtime import Runtimes  # noqa: PLC0415 - only a listing needs an engine
    from cvimake.pipeline.stages.info import ESTIMATE_TIME  # noqa: PLC0415 - only a file needs all this, and a task does not
    from cvimake.toolchain import commands  # noqa: PLC0415 - only a file needs all this, and a task does not

    with tempfile.TemporaryDirectory(prefix="cvimake-") as folder:
        listing, time = Path(folder) / "info.txt", Path(folder) / "time.json"
        action = Action(
            name="info:file",
            argv=commands.info_command("model.cvimodel", "info.txt", "time.json"),
            environment=commands.environment(),
            inputs=(Input(name="model.cvimodel", path=model), ESTIMATE_TIME),
            outputs=(
                Output(name="info.txt", path=listing, kind=FileKind.TEXT),
                Output(name="time.json", path=time, kind=FileKind.JSON),
            ),
            limits=Limits(seconds=60.0),
        )
        Runtimes(surroundings.folder(), surroundings.variables()).plain().sandbox.run(action)
        estimated = json.loads(time.read_text(encoding="utf-8"))
        text = listing.read_text(encoding="utf-8", errors="replace")
        found = cvimodel_info.examine(model.name, model.stat().st_size, text, estimated, {})
    return named_as_beside(found, model)


def named_as_beside(known: cvimodel_info.Info, model: Path) -> cvimodel_info.Info:
    """Add what the declaration says, from the `…_info.json` that a build or a release has beside a cvimodel.

    Without such a file, or if that file is of another cvimodel, nothing is added.
    """
    try:
        beside = cvimodel_info.Info.model_validate_json(
            model.with_name(f"{model.stem}_info.json").read_bytes()
        )
    except (OSError, ValueError):
        return known
    same = beside.size == known.size and beside.sections == known.sections and beside.name == known.name
    if not same or beside.recognised_as != known.recognised_as:
        return known
    return known.model_copy(update={"outputs": beside.outputs, "recognition": beside.recognition})


def measured_beside(model: Path) -> Measured | None:
    """Return what a cvimodel sees, from the `…_accuracy.json` that a build or a release has beside it.

    Without such a file, or if exactly these bytes were not measured, it is None.
    """
    try:
        beside = Measured.model_validate_json(model.with_name(f"{model.stem}_accuracy.json").read_bytes())
        return beside if beside.sha256 == digest.of_file(model) else None
    except (OSError, ValueError):
        return None


def _print(info: cvimodel_info.Info, measured: Measured | None, *, as_json: bool) -> None:
    if as_json:
        accuracy = {"accuracy": measured.model_dump()} if measured else {}
        terminal.write(json.dumps(info.model_dump() | accuracy, indent=1) + "\n")
        return
    lines = [
        ("name", f"{info.name}, for {info.processor}, built {info.built} by tpu_mlir {info.compiler}"),
        ("size", f"{info.size / 1000**2:.2f} MB, ION memory {info.ion_memory:g} MB"),
        *(("input", _tensor(tensor)) for tensor in info.inputs),
        *(("output", f"{_tensor(tensor)}{_declared(tensor)}") for tensor in info.outputs),
        *_on_the_camera(info.recognition),
        ("TPU time", _time(info.time)),
        *_accuracy(measured),
        *(("warning", warning) for warning in info.recognition.warnings),
    ]
    for name, text in lines:
        terminal.write(f"{name:14} {text}\n")


def _on_the_camera(recognition: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - imported where it is needed
    """Yield what the camera recognises it as, whether that works, and if not what to do."""
    if not recognition.as_:
        yield "recognised as", f"nothing: {recognition.reason}"
        return
    yield "recognised as", recognition.as_
    reason = f": {recognition.reason}" if recognition.reason else ""
    yield "on the camera", f"{recognition.in_words}{reason}"
    if recognition.remedy:
        yield "what to do", recognition.remedy


def _accuracy(measured: Measured | None) -> Iterator[tuple[str, str]]:
    """Yield what was measured of it on images."""
    if measured is None:
        return
    images = f"on {measured.images} images"
    if measured.figure:
        camera = f"; {measured.camera.number} as the camera shows it" if measured.camera else ""
        yield "accuracy", f"{measured.figure.metric} {measured.figure} {images}{camera}"
    if measured.agreement:
        reason = measured.why_agreement_is_unknown
        yield "agreement", f"{measured.agreement} with the float network, {images}{reason}"


def _time(estimate: Any) -> str:  # noqa: ANN401 - device_time.Estimate, imported where it is needed
    from cvimake.camera.device_time import MEANING  # noqa: PLC0415 - slow to import, and a task does not need it

    return f"{estimate}: {MEANING}" if estimate.clocks else f"no estimate: {estimate.unknown}"


def _tensor(tensor: Any) -> str:  # noqa: ANN401 - cvimodel.Tensor, imported where it is needed
    scale = "" if tensor.type == "fp32" else f", scale {tensor.scale_text}"
    return f"{tensor.name} {list(tensor.shape)} {tensor.type}{scale}"


def _declared(output: cvimodel_info.Output) -> str:
    return f", is {output.declared}" if output.declared else ""
