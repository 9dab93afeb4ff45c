"""Runs a tool and writes a summary of its output: `run_tool.py SUMMARY.json [FLAG] TOOL.py ARGUMENT ...`.

The tools print important facts only on their standard output or in a log of their own, and some end with exit
code 0 even after a failure. This program passes the output on unchanged. Its exit code is the tool's, with
two exceptions: EXCEPTION for a qtable search that died, and GAVE_UP for one that gave up, if the flag is
REQUIRE_EXPECTED_COS. Nothing is published in these cases.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EXCEPTION, GAVE_UP = 3, 4
REQUIRE_EXPECTED_COS = "--require-expected-cos"
_CHUNK = 65536
# The search's own program, and ours that runs it in several processes.
_SEARCHES = frozenset({"run_qtable.py", "search.py"})
# The log of run_qtable: an exception in the search only appears there.
SEARCH_LOG = Path("MixPrecSearcher")
# The values of a nearly constant tensor differ by at most this: for scores from 0 to 1, and for others.
_LITTLE, _LITTLE_OF = 0.02, 0.001
_NUMBER = r"(-?[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|-?inf)"
_SIMILARITY = re.compile(rf"min_similiarity = \({_NUMBER}, {_NUMBER}, {_NUMBER}\)")
_COMPARED = re.compile(r"Target +(\S+)")
_INT8_SUFFICES = re.compile(rf"current int8 cos:{_NUMBER} is higher than expected_cos:{_NUMBER}")
_INT8_COS = re.compile(rf"int8 outputs_cos:{_NUMBER} old")
_MIX_COS = re.compile(rf"mix model outputs_cos:{_NUMBER}")
# A compared layer in the list at the end of the tool's output.
_COMPARED_LAYER = re.compile(rf"Layer: (\S+)\s+Cos: {_NUMBER}")
# A mixture of layers that the search has tried. Only `search.py` tells them.
_MIXTURE = re.compile(rf"^Mixture: (\d+) layers in float, the last is (.+), Cos: {_NUMBER}\r?$", re.MULTILINE)
# How many layers the search has gone through.
_SEARCHED = re.compile(r"\| (\d+)/(\d+) \[")
_DIED = re.compile(r"An exception happened: (.*)")


def main(summary: Path, command: Sequence[str]) -> int:
    """Run the tool and write the summary; return the exit code."""
    required = command[0] == REQUIRE_EXPECTED_COS
    command = command[required:]
    lines = []
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as process:
        while process.stdout and (chunk := process.stdout.read(_CHUNK)):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            lines.append(chunk)
    text = b"".join(lines).decode("utf-8", errors="replace")
    code = process.returncode
    result: dict[str, Any] = {"comparisons": comparisons(text)}
    if code != 0 and (told := constant(Path(_option(command, "test_reference")))):
        sys.stdout.write(f"{told}\n")
    if Path(command[0]).name in _SEARCHES and code == 0:
        result["search"] = search = ending(text, SEARCH_LOG, command)
        if search["ending"] == "exception":
            sys.stdout.write(f"the search died: {search['exception']}\n")
            code = EXCEPTION
        elif search["ending"] == "gave_up" and required:
            sys.stdout.write(f"{_gave_up(search)}\n")
            code = GAVE_UP
        elif search["ending"] == "int8_suffices":
            # The tool writes no qtable in this case. The correct one has no layers.
            table = _option(command, "quantize_table")
            cosine, expected = search["int8_cos"], search["expected_cos"]
            note = (
                f"# no layer stays float: INT8 alone reaches a cosine of {cosine:.6f} ({expected} expected)\n"
            )
            Path(table).write_text(note, encoding="utf-8")
            Path(_option(command, "loss_table")).write_text(note, encoding="utf-8")
    summary.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return code


def comparisons(text: str) -> list[dict[str, Any]]:
    """Return the least similarities of any layer from each comparison in a tool's output, in order."""
    found = []
    for match in _SIMILARITY.finditer(text):
        target = _COMPARED.search(text, match.end())
        found.append(
            {
                "target": target[1] if target else "",
                "cosine": _finite(match[1]),
                "euclidean": _finite(match[2]),
                "signal_to_noise": _finite(match[3]),
            }
        )
    return found


def constant(reference: Path) -> str:
    """Return a line that names a nearly constant tensor of the float network; empty if there is none.

    A network that finds nothing in the test image has such outputs. Those of the quantised network then
    differ by rounding alone.
    """
    if not reference.is_file():
        return ""
    import numpy as np  # noqa: PLC0415 - only a failure is looked into

    with np.load(reference) as arrays:
        for name in arrays.files:
            values = np.asarray(arrays[name], dtype=np.float64)
            least, most = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
            if values.size > 1 and most - least <= max(_LITTLE, _LITTLE_OF * max(abs(least), abs(most))):
                return f"the float network's {name} is nearly constant, from {least:.3g} to {most:.3g}"
    return ""


def _finite(text: str) -> float | None:
    """Return a number; None for one that JSON cannot hold, like the ratio to noise of equal tensors."""
    number = float(text)
    return number if math.isfinite(number) else None


def ending(text: str, log: Path, command: Sequence[str]) -> dict[str, Any]:
    """Return how a qtable search ended: int8_suffices, reached, gave_up or exception.

    If the program told the mixtures of layers that it tried, `mixtures` has them in their order.
    """
    logged = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    expected = float(_option(command, "expected_cos") or 0.99)
    if died := _DIED.search(logged + text):
        return {"ending": "exception", "exception": died[1].strip()}
    if suffices := _INT8_SUFFICES.search(text):
        return {"ending": "int8_suffices", "int8_cos": float(suffices[1]), "expected_cos": expected}
    int8, mixed = _INT8_COS.search(text), _MIX_COS.search(text)
    if not (int8 and mixed):
        return {"ending": "exception", "exception": "the tool did not say how the search ended"}
    cosines = {"int8_cos": float(int8[1]), "mix_cos": float(mixed[1]), "expected_cos": expected}
    tried = {"mixtures": found} if (found := mixtures(text)) else {}
    has_no_layers = _has_no_layers(Path(_option(command, "quantize_table")))
    if has_no_layers:
        # The tool shows 0, or the value of the last layer that it took back.
        cosines["mix_cos"] = cosines["int8_cos"]
    # The tool too requires more than expected_cos.
    if cosines["mix_cos"] >= expected:
        return {"ending": "reached", **cosines, **tried}
    cause, remedy = why_it_gave_up(text, float(_option(command, "min_layer_cos") or 0.99), has_no_layers)
    return {"ending": "gave_up", **cosines, "cause": cause, "remedy": remedy, **tried}


def mixtures(text: str) -> list[dict[str, Any]]:
    """Return the mixtures of layers that a search has tried: how many are float, and the outputs' cosine."""
    return [
        {"float_layers": int(layers), "last": last, "cosine": _finite(cosine)}
        for layers, last, cosine in _MIXTURE.findall(text)
    ]


def why_it_gave_up(text: str, min_layer_cos: float, has_no_layers: bool) -> tuple[str, str]:  # noqa: FBT001 - what was found
    """Return why a search found no better qtable, and what to do.

    Args:
        text: the whole output of the tool.
        min_layer_cos: layers less similar than this are tried.
        has_no_layers: no layer stays float.
    """
    cosines = [(float(cosine), name) for name, cosine in _COMPARED_LAYER.findall(text)]
    cosine, name = min((found for found in cosines if math.isfinite(found[0])), default=(-1.0, ""))
    if has_no_layers and cosine >= min_layer_cos:
        least = f"the least similar, {name}, has {cosine:.6f}"
        cause = f"no layer is below min_layer_cos {min_layer_cos:g} ({least}), so none was tried"
        return cause, "Raise min_layer_cos."
    if has_no_layers:
        return (
            "with each layer that was tried as float the outputs were less similar, and it was taken back",
            "Lower expected_cos, or name the float layers in a qtable of your own.",
        )
    progress = _SEARCHED.findall(text)
    if progress and progress[-1][0] != progress[-1][1]:
        return (
            "more than a quarter of the layers would be float",
            "Lower expected_cos, or min_layer_cos so that only the least similar layers are tried.",
        )
    return (
        f"all layers below min_layer_cos {min_layer_cos:g} were tried",
        "Raise min_layer_cos, or lower expected_cos.",
    )


def _gave_up(search: dict[str, Any]) -> str:
    """Return the line by which known_failures.py recognises this ending."""
    return (
        f"the search gave up: a cosine of {search['mix_cos']:.6f}, {search['expected_cos']:g} expected, "
        f"{search['int8_cos']:.6f} for INT8; {search['cause']}. {search['remedy']}"
    )


def _has_no_layers(table: Path) -> bool:
    """Tell whether the tool wrote a table in which no layer stays float."""
    if not table.is_file():
        return False
    lines = table.read_text(encoding="utf-8").splitlines()
    return all(not line.strip() or line.startswith("#") for line in lines)


def _option(command: Sequence[str], name: str) -> str:
    prefix = f"--{name}="
    return next((part[len(prefix) :] for part in command if part.startswith(prefix)), "")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
