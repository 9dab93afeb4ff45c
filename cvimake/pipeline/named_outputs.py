"""Outputs under their declared names, followed from the source network through its MLIR to the cvimodel.

The toolchain renames every tensor: `cls_8` becomes `cls_8_Sigmoid`, or `320_Transpose_top.Sigmoid` where it
exchanges two layers, and a cvimodel adds `_f32`. So an output is known by its place in the order. If it has
the name of another output, the order was changed, and that is a fault.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, TypeAdapter

from cvimake.core.errors import StageFailedError
from cvimake.toolchain import mlir_names
from cvimake.toolchain.cvimodel import Tensor


class NamedOutput(BaseModel):
    """An output of a network.

    Attributes:
        declared: its name in the source network, or in the MLIR if the source's name is not known.
        mlir: its name in the MLIR.
        size: the count of its numbers.
        relative_boxes: True if its boxes are declared to be fractions of the input; None where that cannot be
            declared.
    """

    model_config = ConfigDict(frozen=True)

    declared: str
    mlir: str
    size: int
    relative_boxes: bool | None = None


_OUTPUTS = TypeAdapter(tuple[NamedOutput, ...])


def as_json(outputs: Sequence[NamedOutput]) -> bytes:
    """Return outputs as JSON."""
    return _OUTPUTS.dump_json(tuple(outputs), indent=1) + b"\n"


def from_json(text: bytes) -> tuple[NamedOutput, ...]:
    """Return the outputs in a JSON text.

    Raises:
        ValueError: the text does not hold outputs.
    """
    return _OUTPUTS.validate_json(text)


def of_mlir(
    stage: str,
    found: Sequence[mlir_names.Output],
    names: Sequence[str],
    *,
    exact: bool = False,
    relative_boxes: bool | None = None,
) -> tuple[NamedOutput, ...]:
    """Return the outputs of a network that became MLIR, under their declared names.

    Args:
        stage: the stage that made the MLIR.
        found: the outputs in the MLIR.
        names: the declared names, in their order; empty where none are known.
        exact: True if the toolchain keeps the names instead of their order.
        relative_boxes: as in `NamedOutput`.

    Raises:
        StageFailedError: the network has other outputs, or has them in another order.
    """
    if names and (fault := _fault(names, found, exact=exact)):
        raise StageFailedError(
            f"{stage}: {fault}",
            "Declare the outputs in the order in which they come ([output] names), or convert the network to "
            "ONNX: cvimake puts the outputs of an ONNX network into any order.",
        )
    return tuple(
        NamedOutput(declared=name, mlir=output.name, size=output.size, relative_boxes=relative_boxes)
        for name, output in zip(names or [output.name for output in found], found, strict=True)
    )


def of_cvimodel(name: str, outputs: Sequence[Tensor], named: Sequence[NamedOutput]) -> None:
    """Check that the outputs of a cvimodel are those of its MLIR, in the same order.

    Raises:
        StageFailedError: the cvimodel has other outputs, or has them in another order.
    """
    found = [mlir_names.Output(tensor.name, tensor.name, math.prod(tensor.shape)) for tensor in outputs]
    fault = _fault([output.mlir for output in named], found)
    if not fault and [output.size for output in found] != [output.size for output in named]:
        fault = "the outputs of the cvimodel have other sizes than those of its MLIR"
    if fault:
        raise StageFailedError(
            f"{name}: {fault}",
            "The toolchain changed the outputs in a way that cvimake does not know. Declare them in another "
            "order ([output] names), and report this to the authors of cvimake.",
        )


def _fault(names: Sequence[str], found: Sequence[mlir_names.Output], *, exact: bool = False) -> str:
    """Say why outputs are not the named ones in their order; return an empty text if they are."""
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
    """Return which of the names an output has, trying the name at its own place first; empty for none."""
    if exact and output in names:
        return output
    if _is_of(output, here):
        return here
    return max((name for name in names if _is_of(output, name)), key=len, default="")


def _is_of(output: str, name: str) -> bool:
    return output == name or output.startswith(f"{name}_")
