"""Outputs by the names that were declared, from the source network through its MLIR to the cvimodel.

The toolchain gives every tensor a name of its own: `cls_8` becomes `cls_8_Sigmoid`, or, where it exchanges
two layers, `320_Transpose_top.Sigmoid`; in a cvimodel `_f32` stands behind that. So an output is known by its
place, and it is a fault if it has the name of another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from cvimake.core.errors import CvimakeError, StepFailedError
from cvimake.project.networks import onnx_names
from cvimake.toolchain import mlir_names
from cvimake.toolchain.cvimodel import Tensor


class NamedOutput(BaseModel):
    """An output of a network.

    Attributes:
        declared: its name in the source; that in the MLIR where the source's is not known.
        mlir: its name in the MLIR.
        size: how many numbers it has.
        relative_boxes: whether its boxes are declared to be fractions of the input; None where that cannot be
            declared.
    """

    model_config = ConfigDict(frozen=True)

    declared: str
    mlir: str
    size: int
    relative_boxes: bool | None = None


_OUTPUTS = TypeAdapter(tuple[NamedOutput, ...])


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The outputs that a network is declared to have.

    Attributes:
        names: in their order; empty for its own outputs.
        network: the ONNX file that says its own outputs; None where no file does.
        relative_boxes: as in `NamedOutput`.
        kept: whether the toolchain keeps the order of the names. From TFLite it does not: there it keeps the
            names instead.
    """

    names: tuple[str, ...] = ()
    network: Path | None = None
    kept: bool = True
    relative_boxes: bool | None = None


def of_mlir(model: str, mlir: Path, wanted: Wanted) -> tuple[NamedOutput, ...]:
    """The outputs of a network that became MLIR, under their declared names.

    Args:
        model: the model's name.
        mlir: the network.
        wanted: what is declared.

    Raises:
        StepFailedError: they are others, or come in another order.
        CvimakeError: the MLIR is not as the toolchain writes it.
    """
    found = mlir_names.outputs(mlir)
    names = wanted.names
    if not names and wanted.network:
        names = onnx_names.read(wanted.network).outputs
    if names and (fault := _fault(names, found, exact=not wanted.kept)):
        raise StepFailedError(
            f"{model}: {fault}",
            "Declare them in the order in which they come ([output] names), or convert the network to ONNX, "
            "of which cvimake puts the outputs into any order.",
        )
    return tuple(
        NamedOutput(declared=name, mlir=output.name, size=output.size, relative_boxes=wanted.relative_boxes)
        for name, output in zip(names or [output.name for output in found], found, strict=True)
    )


def of_cvimodel(name: str, outputs: Sequence[Tensor], named: Sequence[NamedOutput]) -> None:
    """Sees that the outputs of a cvimodel are those of its MLIR, in their order.

    Raises:
        StepFailedError: they are others, or come in another order.
    """
    found = [mlir_names.Output(tensor.name, tensor.name, _size(tensor)) for tensor in outputs]
    fault = _fault([output.mlir for output in named], found)
    if not fault and [output.size for output in found] != [output.size for output in named]:
        fault = "the outputs of the cvimodel have other sizes than those of its MLIR"
    if fault:
        raise StepFailedError(
            f"{name}: {fault}",
            "The toolchain has changed them, in a way that cvimake does not know. Declare the outputs in "
            "another order ([output] names), and tell the authors of cvimake.",
        )


def write(path: Path, outputs: Sequence[NamedOutput]) -> None:
    """Writes outputs to a file."""
    temporary = path.with_suffix(".json.new")
    temporary.write_bytes(_OUTPUTS.dump_json(tuple(outputs), indent=1) + b"\n")
    temporary.replace(path)


def read(path: Path) -> tuple[NamedOutput, ...]:
    """The outputs in a file.

    Raises:
        CvimakeError: it was damaged.
    """
    try:
        return _OUTPUTS.validate_json(path.read_bytes())
    except ValueError as error:
        raise CvimakeError(f"{path} is damaged", "Remove it: the next build writes it anew.") from error


def _fault(names: Sequence[str], found: Sequence[mlir_names.Output], *, exact: bool = False) -> str:
    """Why outputs are not the named ones in their order; empty if they are."""
    values = [output.value for output in found]
    right = len(names) == len(found) and all(
        owner in {"", name} or values[names.index(owner)] == output.value
        for name, output in zip(names, found, strict=True)
        for owner in [_owner(output.name, name, names, exact=exact)]
    )
    if right:
        return ""
    listed = ", ".join(output.name for output in found)
    return f"its outputs come as {listed}; declared are {', '.join(names)}"


def _owner(output: str, here: str, names: Sequence[str], *, exact: bool) -> str:
    """The name that an output has, which is the one at its place if that can be; empty where it has none."""
    if exact and output in names:
        return output
    if _is_of(output, here):
        return here
    return max((name for name in names if _is_of(output, name)), key=len, default="")


def _is_of(output: str, name: str) -> bool:
    return output == name or output.startswith(f"{name}_")


def _size(tensor: Tensor) -> int:
    product = 1
    for length in tensor.shape:
        product *= length
    return product
