"""`onnx:downgrade`: convert one ONNX file, as the stage `onnx` does."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from cvimake.cli import surroundings
from cvimake.cli.base import PlainCommand
from cvimake.cli.options import option
from cvimake.cli.surroundings import invoked_from
from cvimake.core import terminal
from cvimake.core.errors import CvimakeError

OLDEST_OPSET, NEWEST_OPSET = 11, 17
OLDEST_IR, NEWEST_IR = 3, 13


class OnnxDowngrade(PlainCommand):
    """Write an ONNX network in an older opset and IR version, and prove that it computes the same."""

    doc_purpose = "convert an ONNX file to an older opset and IR, and prove that it computes the same"
    doc_usage = "IN.onnx OUT.onnx"
    doc_description = (
        "Reads opsets up to 23. A file that is older than asked for keeps its opset and IR. Open sizes "
        "stay open, unless --input-shapes gives them. Weights in other files, in IN's folder, are put "
        "into OUT."
    )
    name = "onnx:downgrade"
    takes_arguments = True
    cmd_options = (
        option("opset", int, f"from {OLDEST_OPSET} to {NEWEST_OPSET}", default=NEWEST_OPSET),
        option("ir", int, f"from {OLDEST_IR} to {NEWEST_IR}", default=8),
        option("input-shapes", str, "fix the inputs' shapes, as in [[1,3,640,640]]", name="shapes"),
        option("force", bool, "replace OUT"),
    )

    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Convert the file, and tell what was done."""
        if len(arguments) != 2:  # noqa: PLR2004 - IN and OUT
            raise CvimakeError("`onnx:downgrade` takes two files", "./doit onnx:downgrade IN.onnx OUT.onnx")
        source, result = (invoked_from() / argument for argument in arguments)
        external = _check(options, source, result)
        summary = _converted(options, source, result, external, _shapes(options["shapes"]))
        for line in described(summary):
            terminal.line(line)
        return 0


def _check(options: dict[str, Any], source: Path, result: Path) -> tuple[str, ...]:
    """Check the arguments, before an engine is looked for.

    Returns:
        The other files that hold the source's weights, relative to its folder.
    """
    from cvimake.project.networks import onnx_header, onnx_names  # noqa: PLC0415 - only for its file

    for name, oldest, newest in (("opset", OLDEST_OPSET, NEWEST_OPSET), ("ir", OLDEST_IR, NEWEST_IR)):
        if not oldest <= options[name] <= newest:
            raise CvimakeError(f"--{name} is from {oldest} to {newest}, not {options[name]}")
    if not source.is_file():
        raise CvimakeError(f"no file {source}")
    if result.exists() and not options["force"]:
        raise CvimakeError(f"{result} is there already", "--force replaces it.")
    if result.is_dir() or not result.parent.is_dir():
        raise CvimakeError(f"{result} cannot be written: it is a folder, or there is none for it")
    if result.exists() and result.samefile(source):
        raise CvimakeError(f"{result} is the source itself", "Name another file.")
    external = onnx_names.read(source).external
    onnx_header.check(source, external)
    return external


def _shapes(text: str) -> list[list[int]] | None:
    if not text:
        return None
    try:
        shapes = json.loads(text)
    except ValueError as error:
        raise CvimakeError(
            f"--input-shapes {text}: no list of shapes", "Write it as in [[1,3,640,640]]."
        ) from error
    sizes = [size for shape in shapes for size in shape] if _is_lists(shapes) else [None]
    if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
        raise CvimakeError(f"--input-shapes {text}: no list of shapes", "Write it as in [[1,3,640,640]].")
    return list(shapes)


def _is_lists(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, list) for item in value)


def _converted(
    options: dict[str, Any],
    source: Path,
    result: Path,
    external: tuple[str, ...],
    shapes: list[list[int]] | None,
) -> dict[str, Any]:
    """Run the conversion in a container, and return its summary."""
    from cvimake.core.action import Action, FileKind, Folder, Input, Output  # noqa: PLC0415 - the same
    from cvimake.execution.runtime import Runtimes  # noqa: PLC0415 - the same
    from cvimake.pipeline.stages.onnx import EXTERNAL  # noqa: PLC0415 - the same
    from cvimake.project.options import ModelInput, OnnxTarget  # noqa: PLC0415 - the same
    from cvimake.toolchain import commands  # noqa: PLC0415 - only a conversion needs all this
    from cvimake.toolchain.tools import ONNX_DOWNGRADE, arguments  # noqa: PLC0415 - the same

    folders = [Folder(target=EXTERNAL, files={name: source.parent / name for name in external})]
    values = {
        "opset": options["opset"],
        "ir": options["ir"],
        "input-shapes": shapes,
        "external": EXTERNAL if external else None,
        "keep-metadata": True,
        "figures": True,
    }
    written = arguments(ONNX_DOWNGRADE, [OnnxTarget(), ModelInput()], values)
    with tempfile.TemporaryDirectory(prefix="cvimake-") as folder:
        summary = Path(folder) / "summary.json"
        action = Action(
            name="onnx:downgrade",
            argv=commands.onnx_command("source.onnx", "result.onnx", "summary.json", written),
            environment=commands.onnx_environment(),
            inputs=(Input(name="source.onnx", path=source.resolve()),),
            outputs=(
                Output(name="result.onnx", path=result, kind=FileKind.ONNX),
                Output(name="summary.json", path=summary, kind=FileKind.JSON),
            ),
            folders=(commands.ONNX_PROGRAM, *(folders if external else ())),
        )
        Runtimes(surroundings.folder(), surroundings.variables()).plain().sandbox.run(action)
        found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
        return found


def described(summary: dict[str, Any]) -> list[str]:
    """Return a conversion's summary as text."""
    before, after = (
        f"IR {item['ir']}, opset {item['opset']}" for item in (summary["source"], summary["result"])
    )
    lines = [("is", after if before == after else f"{after}, from {before}")]
    if summary["by"]:
        counts = ", ".join(f"{count} {name}" for name, count in summary["rewritten"].items())
        lines.append(("by", f"{summary['by']}{f': {counts}' if counts else ''}"))
    lines += [("and", f"{what}: {count}") for what, count in summary["tidied"].items()]
    if summary["differences"]:
        kinds = ", ".join(summary["differences"])
        lines.append(("differs by", f"{summary['largest_difference']:.2g} at most (inputs: {kinds})"))
    else:
        lines.append(("differs by", "nothing: what computes is as it was"))
    if "difference_from_float16" in summary:
        lines.append(("and", f"{summary['difference_from_float16']:.2g} from what it computed in float16"))
    return [f"{name:12} {text}" for name, text in lines]
