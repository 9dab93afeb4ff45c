"""Converts one file: `python3 -m onnx_downgrade SOURCE RESULT SUMMARY.json OPTION ...`.

Options: --opset=N --ir=N --input-shapes=JSON --outputs=JSON --relative-boxes --fixed --external=FOLDER
--keep-metadata --figures.

It writes the converted network and a summary of the conversion. With --figures the summary also has the
differences between the outputs of the two networks, which depend a little on the processor. They are printed
in any case.

Exit code 1 says that the network is refused; the last line of the output has the reason.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from .converting import Wanted, convert, without_figures
from .reading import check_size, read
from .refusal import RefusedError

# The bytes of addresses, not of memory. A network that needs more would never be finished.
_ADDRESS_SPACE = 16 * 1024**3


def main(arguments: Sequence[str]) -> int:
    """Convert one file; return the exit code."""
    parser = argparse.ArgumentParser(prog="onnx_downgrade")
    parser.add_argument("source", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("summary", type=Path)
    parser.add_argument("--opset", type=int, default=17)
    parser.add_argument("--ir", type=int, default=8)
    parser.add_argument("--input-shapes", type=json.loads)
    parser.add_argument("--outputs", type=json.loads, default=())
    parser.add_argument("--relative-boxes", action="store_true")
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--external", type=Path, default=Path())
    parser.add_argument("--keep-metadata", action="store_true")
    parser.add_argument("--figures", action="store_true")
    options = parser.parse_args(arguments)
    wanted = Wanted(
        opset=options.opset, ir=options.ir, shapes=options.input_shapes, fixed=options.fixed,
        metadata=options.keep_metadata, outputs=options.outputs, relative_boxes=options.relative_boxes,
    )  # fmt: skip
    try:
        model, summary = convert(read(options.source, options.external), wanted)
        check_size(model)
        options.result.write_bytes(model.SerializeToString(deterministic=True))
    except RefusedError as error:
        sys.stdout.write(f"the ONNX network is refused: {error}\n")
        return 1
    except MemoryError:
        sys.stdout.write("the ONNX network is refused: it takes more memory than there is\n")
        return 1
    except Exception as error:  # noqa: BLE001 - what a damaged file can lead to is without end
        sys.stdout.write(
            "the ONNX network is refused: it is damaged, or of a kind that nobody thought of "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]})\n"
        )
        return 1
    written = summary if options.figures else without_figures(summary)
    options.summary.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"{json.dumps(summary, sort_keys=True)}\n")
    return 0


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY or most > _ADDRESS_SPACE:
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, most))
    sys.exit(main(sys.argv[1:]))
