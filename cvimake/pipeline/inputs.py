"""The files that an action reads and writes, under the names by which the tool sees them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cvimake.core.action import FileKind, Folder, Input, Output, Text
from cvimake.core.resources import container_program
from cvimake.pipeline import files
from cvimake.pipeline.target import Target
from cvimake.project.dataset import Samples
from cvimake.project.declarations import DeclaredModel

# The name of a network's file in the container, without its suffix. No model's name begins with an
# underscore, and no file that a stage or a tool writes has this name.
SOURCE = "_source"


def program(name: str) -> Input:
    """Return a program of `toolchain/container`, which runs in the container."""
    return Input(name=f"{name}.py", path=container_program(name))


RUN_TOOL = program("run_tool")


def built(model: DeclaredModel, file_name: str) -> Input:
    """Return a file that another stage of the model writes."""
    return Input(name=file_name, path=files.place(model.name, file_name))


def output(model: DeclaredModel, file_name: str, kind: FileKind) -> Output:
    """Return a file of the model that the tool must write."""
    return Output(name=file_name, path=files.place(model.name, file_name), kind=kind)


def own_file(model: DeclaredModel, path: str | None, name: str) -> Input | None:
    """Return a file of the user's, under a name that does not depend on the user's name for it."""
    return Input(name=f"{name}{Path(path).suffix}", path=model.folder / path) if path else None


def test_inputs(model: DeclaredModel, paths: Sequence[str]) -> tuple[Input, ...]:
    """Return the test inputs, under names that do not depend on the user's names for them."""
    if len(paths) == 1:
        return (Input(name=f"test_input{Path(paths[0]).suffix.lower()}", path=model.folder / paths[0]),)
    return tuple(
        Input(name=f"test_input{number}{Path(path).suffix.lower()}", path=model.folder / path)
        for number, path in enumerate(paths)
    )


def network(model: DeclaredModel) -> tuple[Input, Input]:
    """Return the MLIR and its weights."""
    return built(model, files.mlir(model.name)), built(model, files.weights(model.name))


def calibration_table(target: Target) -> Input:
    """Return the thresholds of INT8: the user's own, or those of the calibration."""
    own = target.variant.options.calibration_table
    return own_file(target.model, own, "calibration_table") or built(
        target.model, files.calibration_table(target.model.name)
    )


def quantize_table(target: Target) -> Input | None:
    """Return the table of the layers that stay float: from the search, or the user's own, or none."""
    if target.variant.qtable:
        return built(target.model, target.qtable)
    own = target.variant.options.qtable
    return own_file(target.model, own if isinstance(own, str) else None, "quantize_table")


def test_reference(target: Target) -> Input | None:
    """Return the outputs that a cvimodel is compared with.

    There are none for a test input of the variant's own: the tool then makes them itself.
    """
    options = target.variant.options
    if not target.variant.test_input:
        return None
    if options.test_reference:
        return own_file(target.model, options.test_reference, "test_reference")
    if options.test_input is not None:
        return None
    return built(target.model, files.reference(target.model.name))


def samples(
    given: Samples, list_name: str, target: str
) -> tuple[dict[str, str | None], tuple[Folder, ...], tuple[Text, ...]]:
    """Return the options that name samples, and the folders and texts that they need.

    Args:
        given: the samples.
        list_name: the tool's option for a list of samples; `dataset` is its option for a whole folder.
        target: the folder that holds the samples in the container. The tool's choice among them depends on
            the order of their absolute paths, so this path must never change.
    """
    folder = Folder(target=target, files=given.files)
    if given.lines is None:
        return {"dataset": target, list_name: None}, (folder,), ()
    lines = [",".join(f"{target}/{name}" for name in sample) for sample in given.lines]
    text = Text(name=f"{list_name}.txt", text="".join(f"{line}\n" for line in lines))
    return {"dataset": None, list_name: text.name}, (folder,), (text,)
