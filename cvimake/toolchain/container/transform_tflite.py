"""Transforms a float TFLite network: `transform_tflite.py NAME TOOL.py ARGUMENT ...`.

Weights in float16 are widened first: the tool cannot read them. TFLite itself widens each of them with an
operator DEQUANTIZE before its use, and computes in float32. So here these operators are left out, and the
weights become float32 in a copy of the file.

The tool marks the MLIR of every TFLite network as quantised, and the compiler cannot process such an MLIR for
these processors ("Not Implemented"). For a float network the mark is wrong: its MLIR is like that of any
other source. So this program corrects the mark, and gives the weights the name that they have for other
sources. The exit code is the tool's, or QUANTISED for a network that really is quantised.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tflite_file import FLOAT32, File, Graph, Tensor, Widening, widening

QUANTISED = 3
_WIDENED = "_float32.tflite"
# The tool's option that names the network.
_NETWORK = "--model_def="
_STATE = 'module.state = "{}"'
# The tool writes the model's name in lower case.
_WEIGHTS = "{}_top_{}_all_weight.npz"
_LARGEST = 2**31 - 1
_ALIGNED = 16


def widened(data: bytes) -> bytes | None:
    """Return a TFLite file with its float16 weights in float32; None if it has no such weights.

    Raises:
        BrokenError: it is damaged.
    """
    graph = File(data).graph()
    plan = widening(graph)
    if not plan.dropped:
        return None
    result = bytearray(data)
    _replace_inputs(result, graph, plan)
    _leave_out(result, graph, plan)
    done: set[int] = set()
    for number in sorted(plan.constants):
        tensor = graph.tensors[number]
        result[tensor.type_place] = FLOAT32
        if tensor.data_field not in done:
            done.add(tensor.data_field)
            _append(result, tensor)
    return bytes(result)


def _replace_inputs(result: bytearray, graph: Graph, plan: Widening) -> None:
    """Let operators read the constants themselves."""
    for one in graph.operators:
        if one not in plan.dropped:
            inputs = [plan.replaced.get(number, number) for number in one.inputs]
            struct.pack_into(f"<{len(inputs)}i", result, one.inputs_place, *inputs)


def _leave_out(result: bytearray, graph: Graph, plan: Widening) -> None:
    """Take the operators out of the list. An entry of the list is the distance from itself to an operator."""
    at = graph.operators_place + 4
    kept = 0
    for number, one in enumerate(graph.operators):
        if one not in plan.dropped:
            (distance,) = struct.unpack_from("<I", result, at + 4 * number)
            struct.pack_into("<I", result, at + 4 * kept, distance + 4 * (number - kept))
            kept += 1
    struct.pack_into("<I", result, graph.operators_place, kept)


def _append(result: bytearray, tensor: Tensor) -> None:
    """Append a constant's wide values to the file, and let the file refer to them."""
    import numpy as np  # noqa: PLC0415 - the host only asks what is widened

    place, length = tensor.data or (0, 0)
    wide = np.frombuffer(bytes(result[place : place + length]), dtype="<f2").astype("<f4").tobytes()
    # The length stands in front of the values, and the values begin at a multiple of their alignment.
    result.extend(b"\0" * (-(len(result) + 4) % _ALIGNED))
    if len(result) + len(wide) > _LARGEST:
        raise ValueError("with its weights in float32 the network is larger than 2 GB")
    struct.pack_into("<I", result, tensor.data_field, len(result) - tensor.data_field)
    result.extend(struct.pack("<I", len(wide)) + wide)


def main(name: str, command: Sequence[str]) -> int:
    """Run the tool, and correct the files that it wrote to the working directory; return the exit code."""
    code = subprocess.run([sys.executable, *_of_wide(command)], check=False).returncode
    if code != 0:
        return code
    mlir = Path(f"{name}.mlir")
    text = mlir.read_text(encoding="utf-8")
    if "!quant." in text:
        sys.stdout.write(
            "the network is quantised already, and these processors compute it in no such form. "
            "Convert it to TFLite without quantisation (no optimizations); cvimake quantises it.\n"
        )
        return QUANTISED
    before, after = (_WEIGHTS.format(name.lower(), form) for form in ("quantized", "f32"))
    text = text.replace(_STATE.format("TOP_QUANTIZED"), _STATE.format("TOP_F32"), 1)
    text = text.replace(f'module.weight_file = "{before}"', f'module.weight_file = "{after}"', 1)
    mlir.write_text(text, encoding="utf-8")
    Path(before).rename(after)
    return code


def _of_wide(command: Sequence[str]) -> list[str]:
    """Return the tool's command line, with a copy of the network if its weights have to be widened."""
    (option,) = (argument for argument in command if argument.startswith(_NETWORK))
    wide = widened(Path(option.removeprefix(_NETWORK)).read_bytes())
    if wide is None:
        return list(command)
    Path(_WIDENED).write_bytes(wide)
    sys.stdout.write("the weights in float16 were widened to float32\n")
    return [f"{_NETWORK}{_WIDENED}" if argument == option else argument for argument in command]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
